// What goes for all players of a page: one plays at a time, a tile plays under the pointer, what is missing looks calm.

import { onPage, page } from "./frame.js";

const HOVER_MS = 250; // a pointer on its way to somewhere else starts nothing
const ADDRESS = /^\/takes\/[^/]+\/(poster|still)\.jpg$/;
const MISSING =
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 90" fill="none" stroke="#8b8b96" stroke-width="2">' +
      '<rect x="62" y="30" width="36" height="28" rx="3"/><path d="M64 54l10-10 7 7 5-5 10 9M58 64l44-40"/></svg>',
  );
const TURNED_BY_ARROWS = ["radiogroup", "slider", "tablist", "listbox", "grid"].map((role) => `[role=${role}]`).join();
const still = parent.matchMedia("(prefers-reduced-motion: reduce)");
const begun = new WeakSet(); // players that have played before
let pointed = null; // the tile under the pointer
let preview = null; // the player that plays because of the pointer
let timer = 0;

/** Begin. Once for a page; it ends with the frame. */
export function conduct() {
  const listen = (name, act) => onPage(name, act, true);
  listen("play", (event) => alone(event.target));
  listen("play", (event) => mark(event.target));
  listen("pause", (event) => mark(event.target));
  listen("pointerover", over);
  listen("pointerout", out);
  listen("click", click);
  listen("focusin", (event) => mark(tileOf(event.target)?.querySelector("video")));
  listen("focusout", (event) => mark(tileOf(event.target)?.querySelector("video"), false));
  listen("error", (event) => missing(event.target));
  onPage("keydown", keepKeys, false, page.body); // on the way up, past the widgets and before the page's own keys
  for (const image of page.images) if (image.complete && !image.naturalWidth) missing(image);
}

const isPlaying = (video) => !video.paused && !video.ended;

function tileOf(target) {
  return target?.closest?.("[data-tile]") ?? null;
}

// --- one at a time ----------------------------------------------------------------------------------------------------

function alone(video) {
  const others = [...page.querySelectorAll("video")].filter((other) => other !== video && isPlaying(other));
  const cameByItself = video.autoplay && !begun.has(video);
  begun.add(video);
  if (cameByItself && others.length) video.pause(); // a take that has just ended waits for who watches another
  else for (const other of others) other.pause();
}

function isInView(video) {
  const { top, bottom } = video.getBoundingClientRect();
  return bottom > 0 && top < parent.innerHeight;
}

// --- tiles ------------------------------------------------------------------------------------------------------------

function over(event) {
  const tile = tileOf(event.target);
  if (!tile || tile === pointed || event.pointerType === "touch" || still.matches) return;
  leave();
  pointed = tile;
  timer = setTimeout(show, HOVER_MS);
}

function out(event) {
  if (pointed && !pointed.contains(event.relatedTarget)) leave();
}

function leave() {
  clearTimeout(timer);
  pointed = null;
  if (!preview) return;
  preview.pause();
  preview.currentTime = 0; // looks like its poster again, and loads nothing
  preview = null;
}

function show() {
  const video = pointed?.querySelector("video");
  // What somebody started goes on, as long as it can be seen.
  const isTaken = [...page.querySelectorAll("video")].some((other) => isPlaying(other) && isInView(other));
  if (!video?.isConnected || isTaken) return;
  preview = video;
  video.muted = true;
  start(video);
}

function click(event) {
  const video = tileOf(event.target)?.querySelector("video");
  if (!video) return;
  clearTimeout(timer);
  const goesOn = isPlaying(video) && video !== preview;
  preview = null;
  if (goesOn) {
    video.pause();
    return;
  }
  video.muted = false; // somebody asked for it
  start(video);
}

function start(video) {
  video.play().catch((reason) => {
    // Paused before it began, or its file is gone, which `error` tells. Anything else is worth a line.
    if (!["AbortError", "NotSupportedError"].includes(reason.name)) console.warn(`A take does not play: ${reason}`);
  });
}

/** The button on a tile: out of the way while its video plays, unless it was reached with the keyboard. */
function mark(video, mayShow = true) {
  const button = tileOf(video)?.querySelector("button");
  if (!button || button.disabled) return;
  const plays = isPlaying(video);
  const isReached = mayShow && button.matches(":focus-visible");
  button.style.opacity = plays && !isReached ? "0" : "1";
  name(button, plays ? "Pause" : "Play");
}

function name(button, words) {
  button.setAttribute("aria-label", button.getAttribute("aria-label").replace(/^[^:]+/, words));
}

// --- keys -------------------------------------------------------------------------------------------------------------

/** The arrow keys turn from take to take; but not while a row of stars, or the like, has them for itself. */
function keepKeys(event) {
  if (event.key.startsWith("Arrow") && event.target.closest?.(TURNED_BY_ARROWS)) event.stopPropagation();
}

// --- what is missing --------------------------------------------------------------------------------------------------

function missing(target) {
  if (target.tagName === "IMG" && target.src && ADDRESS.test(new URL(target.src).pathname)) {
    target.src = MISSING;
    if (target.alt) target.alt = `${target.alt} (missing)`;
  }
  const button = target.tagName === "VIDEO" && tileOf(target)?.querySelector("button");
  if (!button || button.disabled) return;
  button.disabled = true;
  button.textContent = "Video missing";
  Object.assign(button.style, { width: "auto", padding: "0 14px", backgroundClip: "border-box", opacity: "1" });
  name(button, "Video missing");
}
