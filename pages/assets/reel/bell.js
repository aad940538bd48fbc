// A soft tone when a take has ended, for who asked for it.

import { memory } from "./frame.js";

const NOTES_HZ = [659.3, 880]; // e'' and a'': a fourth up
const APART_S = 0.14;
const FADE_S = 0.7;
const LOUDNESS = 0.07; // of 1
const WAKE_MS = 300; // a browser that has not been touched gives no sound; then it is too late for this one
const MOST_RUNG = 100; // ids remembered, so that neither a reload nor a second tab rings again
const kept = memory("localStorage");
const sound = document.getElementById("sound");
let audio = null;

/** Ring if one of these takes has ended that nobody was told of yet. */
export function tellOf(ids) {
  const rung = (kept.get("takes.rung") ?? "").split(",");
  const fresh = ids.filter((id) => !rung.includes(id));
  if (!fresh.length) return;
  kept.set("takes.rung", [...rung, ...fresh].slice(-MOST_RUNG).join());
  if (isOn()) ring();
}

/** Wire the switch. */
export function wireSwitch() {
  sound.checked = isOn();
  sound.addEventListener("change", () => {
    kept.set("takes.sound", sound.checked ? "on" : "off");
    if (sound.checked) ring(); // so one knows it; and the browser takes it for permission
  });
  addEventListener("storage", () => (sound.checked = isOn())); // another tab
}

function isOn() {
  return kept.get("takes.sound") === "on";
}

async function ring() {
  audio ??= new AudioContext();
  const late = new Promise((wake) => setTimeout(wake, WAKE_MS));
  await Promise.race([audio.resume(), late]);
  if (audio.state !== "running") return;
  NOTES_HZ.forEach((pitch, place) => {
    const begins = audio.currentTime + place * APART_S;
    const tone = new OscillatorNode(audio, { type: "sine", frequency: pitch });
    const volume = new GainNode(audio, { gain: 0 });
    volume.gain.setValueAtTime(0, begins);
    volume.gain.linearRampToValueAtTime(LOUDNESS, begins + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, begins + FADE_S);
    tone.connect(volume).connect(audio.destination);
    tone.start(begins);
    tone.stop(begins + FADE_S);
  });
}
