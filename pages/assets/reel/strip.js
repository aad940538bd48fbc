// The strip of controls below an opened take: it drives the take's own <video> on the page.

import { isTyping, memory, onPage, page, setHeight } from "./frame.js";

const SAID_MS = 1500; // how long "Copied" stands
const USUAL_FPS = 24; // where a file does not say
const SAME_S = 0.001; // times nearer than this are the same
const kept = memory("sessionStorage");
const at = (id) => document.getElementById(id);
const strip = at("strip");
const loop = at("loop");
const speed = at("speed");
const met = new WeakSet(); // players that were set up
let take = null;
let aim = null; // the frame to go to once the seek under way is done
let byPointer = false;

/** Show the controls of a take: `{take, fps, prompt, files, link}`. */
export function showStrip(args) {
  const isFirst = take === null;
  take = args;
  at("copy-prompt").hidden = !args.prompt;
  at("get-video").href = `${args.files}/video.mp4?download`;
  at("get-poster").href = `${args.files}/poster.jpg?download`;
  if (isFirst) wire();
  const video = find();
  if (video) meet(video);
}

function find() {
  return [...page.querySelectorAll("video")].find(isOurs);
}

function isOurs(video) {
  return video.tagName === "VIDEO" && video.src && new URL(video.src).pathname === `${take.files}/video.mp4`;
}

// --- what is remembered from one take to the next ---------------------------------------------------------------------

function meet(video) {
  const loops = kept.get("takes.loop") !== "off";
  const rate = kept.get("takes.speed") ?? "1";
  const isOver = video.ended; // a video that loops never says so
  loop.setAttribute("aria-pressed", String(loops));
  speed.value = rate;
  video.poster ||= `${take.files}/poster.jpg`; // while it loads, and where its file is gone
  video.loop = loops;
  video.defaultPlaybackRate = Number(rate);
  video.playbackRate = Number(rate);
  if (loops && isOver) video.play();
  else if (!met.has(video)) begin(video);
  met.add(video);
  tell(video.error !== null || video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE);
}

// An opened take plays. Streamlit's own start is lost now and then: where it draws the player twice, or a second time.
function begin(video) {
  const others = [...page.querySelectorAll("video")].some((other) => other !== video && !other.paused);
  if (others || !video.paused || video.played.length) return;
  video.play().catch((reason) => console.info(`The take waits for a press: ${reason.message}`));
}

function tell(isBroken) {
  at("playback").hidden = isBroken;
  at("trouble").hidden = !isBroken;
}

// --- what the buttons do ----------------------------------------------------------------------------------------------

function step(frames) {
  const video = find();
  if (!video || video.readyState < HTMLMediaElement.HAVE_METADATA) return;
  video.pause();
  const last = Math.max(0, Math.round(video.duration * fps()) - 1);
  const now = aim ?? Math.floor(video.currentTime * fps() + 0.01);
  aim = Math.min(Math.max(now + frames, 0), last);
  seek(video);
}

const fps = () => take.fps || USUAL_FPS;

// One after the other: Chromium can get stuck in a seek that is asked for again while it is under way.
function seek(video) {
  if (aim === null || video.seeking) return;
  const time = (aim + 0.5) / fps(); // the middle of a frame: at its edge, rounding decides which of two is shown
  aim = null;
  if (Math.abs(time - video.currentTime) > SAME_S) video.currentTime = time;
}

function fillScreen() {
  const video = find();
  if (page.fullscreenElement) page.exitFullscreen();
  else if (video?.requestFullscreen) video.requestFullscreen();
  else video?.webkitEnterFullscreen?.(); // an iPhone
}

async function copy(button, text) {
  const isDone = await put(text);
  const words = button.querySelector("span");
  words.dataset.usual ??= words.textContent;
  words.textContent = isDone ? "Copied" : "Refused";
  at("said").textContent = isDone ? "Copied" : "The browser does not let it be copied";
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => {
    words.textContent = words.dataset.usual;
    at("said").textContent = "";
  }, SAID_MS);
  giveBack();
}

async function put(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return putTheOldWay(text); // no clipboard on plain http, or not allowed
  }
}

function putTheOldWay(text) {
  const focused = document.activeElement;
  const box = document.createElement("textarea");
  box.value = text;
  box.className = "unseen";
  strip.append(box);
  box.select();
  const isDone = document.execCommand("copy");
  box.remove();
  focused?.focus();
  return isDone;
}

// --- the keyboard -----------------------------------------------------------------------------------------------------

// After a click the keys belong to the page again; whoever came here with the Tab key stays.
function giveBack() {
  if (!byPointer) return;
  document.activeElement?.blur();
  frameElement.blur();
  parent.focus();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "," || event.key === ".") {
    event.preventDefault();
    step(event.key === "," ? -1 : 1);
  }
}

// The page's own keys for the takes before and behind this one.
function passOn(event) {
  if (!["ArrowLeft", "ArrowRight"].includes(event.key) || isTyping(event.target)) return;
  const { key, code, keyCode } = event;
  const told = { key, code, keyCode, which: keyCode, bubbles: true, cancelable: true };
  page.body.dispatchEvent(new parent.KeyboardEvent(event.type, told));
}

function wire() {
  loop.addEventListener("click", () => {
    kept.set("takes.loop", loop.getAttribute("aria-pressed") === "true" ? "off" : "on");
    const video = find();
    if (video) meet(video);
  });
  speed.addEventListener("change", () => {
    kept.set("takes.speed", speed.value);
    const video = find();
    if (video) meet(video);
    giveBack();
  });
  at("back").addEventListener("click", () => step(-1));
  at("forward").addEventListener("click", () => step(1));
  at("full").addEventListener("click", fillScreen);
  at("copy-prompt").addEventListener("click", (event) => copy(event.currentTarget, take.prompt));
  at("copy-link").addEventListener("click", (event) =>
    copy(event.currentTarget, new URL(take.link, parent.location.origin).href),
  );
  addEventListener("pointerdown", () => (byPointer = true), true);
  addEventListener("keydown", () => (byPointer = false), true);
  strip.addEventListener("click", (event) => {
    const pressed = event.target.closest("button, a");
    if (pressed && !pressed.id.startsWith("copy")) giveBack(); // a copy needs the focus until it is done
  });
  document.addEventListener("keydown", press);
  onPage("keydown", press);
  document.addEventListener("keydown", passOn);
  document.addEventListener("keyup", passOn);
  // Media events do not bubble, but are heard on their way down; so a player that comes later is met as well.
  onPage("loadedmetadata", (event) => isOurs(event.target) && meet(event.target), true);
  onPage("seeked", (event) => isOurs(event.target) && seek(event.target), true);
  onPage("error", (event) => isOurs(event.target) && tell(true), true);
  new ResizeObserver(() => setHeight(strip.offsetHeight)).observe(strip);
  frameElement.title = "Player controls";
  strip.hidden = false;
}
