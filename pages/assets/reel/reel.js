// Starts what this frame is for: the strip below one player, or the conductor of all players of a page.

import { tellOf, wireSwitch } from "./bell.js";
import { conduct } from "./conductor.js";
import { begin, setHeight } from "./frame.js";
import { showStrip } from "./strip.js";

const conductor = document.getElementById("conductor");
let conducts = false;

function showConductor({ ended, switches }) {
  if (!conducts) {
    conducts = true;
    conduct();
    wireSwitch();
  }
  conductor.hidden = !switches;
  frameElement.title = switches ? "Sound" : "Players";
  frameElement.ariaHidden = switches ? null : "true"; // then there is nothing in it for people
  setHeight(conductor.offsetHeight);
  tellOf(ended);
}

begin((args) => (args.role === "strip" ? showStrip(args) : showConductor(args)));
