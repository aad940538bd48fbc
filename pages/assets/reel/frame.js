// What this frame and the page around it say to each other. Nothing here runs the page's script again.

export const page = parent.document;

const gone = new AbortController();
addEventListener("pagehide", () => gone.abort());

/** Listen on the page, on the way down where `capture` says so. It ends with this frame. */
export function onPage(name, act, capture = false, at = page) {
  // A frame that was taken out has no element any more; some browsers let its listeners run on.
  at.addEventListener(name, (event) => frameElement && act(event), { capture, signal: gone.signal });
}

function say(type, more) {
  parent.postMessage({ isStreamlitMessage: true, type, ...more }, location.origin);
}

/** Call `render(args)` at the first run and whenever the arguments change. */
export function begin(render) {
  addEventListener("message", (event) => {
    if (event.source !== parent || event.data?.type !== "streamlit:render") return;
    dress(event.data.theme);
    render(event.data.args);
  });
  frameElement.style.display = "block"; // a frame stands on a line of text otherwise, with a gap below
  const fit = () => document.documentElement.classList.toggle("narrow", narrow.matches);
  narrow.addEventListener("change", fit);
  fit();
  say("streamlit:componentReady", { apiVersion: 1 });
}

/** How high the frame is to be, in CSS pixels. */
export function setHeight(height) {
  say("streamlit:setFrameHeight", { height: Math.ceil(height) });
}

const narrow = parent.matchMedia("(max-width: 640px)"); // of the page: a frame is narrow anyway

function dress(theme) {
  if (!theme) return;
  const { style } = document.documentElement;
  style.setProperty("--text", theme.textColor);
  style.setProperty("--accent", theme.primaryColor);
  style.setProperty("--ground", theme.backgroundColor);
  style.setProperty("--page", theme.backgroundColor);
  style.setProperty("--font", theme.font);
  borrowFonts(theme.font);
}

// A frame does not inherit the page's font files: their rules are copied, once.
function borrowFonts(font) {
  if (!font || document.adoptedStyleSheets.length) return;
  const bare = (family) => family.trim().replaceAll(/["']/g, "");
  const wanted = font.split(",").map(bare);
  const rules = [...page.styleSheets].flatMap((sheet) => [...sheet.cssRules]).filter(
    (rule) => rule.type === CSSRule.FONT_FACE_RULE && wanted.includes(bare(rule.style.fontFamily)),
  );
  if (!rules.length) return;
  const fonts = new CSSStyleSheet();
  fonts.replaceSync(rules.map(absolute).join("\n"));
  document.adoptedStyleSheets = [fonts];
}

// The text of a rule, its addresses no longer relative to the file it stands in.
function absolute(rule) {
  const base = rule.parentStyleSheet.href ?? page.baseURI;
  return rule.cssText.replaceAll(/url\("([^"]+)"\)/g, (_, address) => `url("${new URL(address, base)}")`);
}

/** Whether somebody is writing, so that a letter is no command. */
export function isTyping(target) {
  return Boolean(target?.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target?.tagName));
}

/** A small memory of the browser: `sessionStorage` or `localStorage`, which some forbid. */
export function memory(kind) {
  let store = null;
  const own = new Map();
  try {
    store = window[kind];
  } catch {
    store = null; // forbidden in this browser: it is remembered as long as the frame stands
  }
  return {
    get: (name) => (store ? store.getItem(name) : (own.get(name) ?? null)),
    set: (name, value) => (store ? store.setItem(name, value) : own.set(name, value)),
  };
}
