"""The prompt grammar: what counts as a camera move, what does not, and what the user is told."""

import pytest

from core.models.spec import Choice, form_fields
from core.preview.grammar import DEFAULTS, camera_plan, parse
from core.preview.options import CameraOptions
from core.preview.plan import CHOICES, FROM_PROMPT

MOVES: list[tuple[str, list[str]]] = [
    # nearer and farther
    ("slow push in", ["push in"]),
    ("a slow push-in on her face", ["push in"]),
    ("The camera slowly pushes in", ["push in"]),
    ("Push the camera closer", ["push in"]),
    ("dolly in toward the door", ["push in"]),
    ("smooth slow dolly forward through the corridor", ["push in"]),
    ("track in toward the door", ["push in"]),
    ("The camera glides forward", ["push in"]),
    ("Gulls cry. The camera pulls back slowly.", ["pull out"]),
    ("dolly out", ["pull out"]),
    ("pull-back from the house", ["pull out"]),
    ("the shot reveals the valley", ["pull out"]),
    ("zoom in on her face", ["zoom in"]),
    ("crash zoom", ["zoom in"]),
    ("zooms out slowly to reveal the city", ["zoom out"]),
    ("dolly zoom", ["dolly zoom"]),
    ("the vertigo effect", ["dolly zoom"]),
    # past and round
    ("pan left", ["pan left"]),
    ("pans slowly to the right", ["pan right"]),
    ("pan from right to left", ["pan left"]),
    ("leftward pan", ["pan left"]),
    ("camera moves left to right", ["pan right"]),
    ("camera drifts slowly to the left", ["pan left"]),
    ("whip pan to the left", ["pan left"]),
    ("truck left", ["pan left"]),
    ("tracking shot", ["pan right"]),
    ("camera movement to the left", ["pan left"]),
    ("Slow orbit to the right.", ["orbit right"]),
    ("arc shot left", ["orbit left"]),
    ("Orbit clockwise", ["orbit left"]),
    ("the camera moves in a circle around the couple", ["orbit right"]),
    ("the camera spins around her", ["orbit right"]),
    ("360 degree shot of the dancer", ["orbit right"]),
    ("bullet time", ["orbit right"]),
    ("parallax", ["orbit right"]),
    # up and down
    ("tilt up", ["tilt up"]),
    ("upward tilt", ["tilt up"]),
    ("the camera tilts down", ["tilt down"]),
    ("pan up to the sky", ["tilt up"]),
    ("Crane up.", ["tilt up"]),
    ("crane shot over the city", ["tilt up"]),
    ("pedestal down", ["tilt down"]),
    ("drone rises above the forest", ["tilt up"]),
    ("FPV drone dives over the cliff", ["push in", "tilt down"]),
    # round the lens, and the hand
    ("dutch angle", ["roll"]),
    ("camera rotates counterclockwise", ["roll"]),
    ("handheld camera", ["handheld shake"]),
    ("shaky cam", ["handheld shake"]),
    # several
    ("The camera glides forward and rises over the trees", ["push in", "tilt up"]),
    ("camera pulls back, rising over the city", ["pull out", "tilt up"]),
    ("not only pans left but also tilts up", ["pan left", "tilt up"]),
    ("slow push in, handheld", ["push in", "handheld shake"]),
    # standing still
    ("locked-off shot", ["static camera"]),
    ("don't move the camera", ["static camera"]),
    ("no camera movement", ["static camera"]),
    ("Camera: static. She laughs", ["static camera"]),
    ("the camera does not move", ["static camera"]),
]

NOT_MOVES = [
    "",
    "She turns to the light and smiles.",
    "he pushes in the chair",
    "push in the chair",
    "he jumps, pushing in the door",
    "he pulls back the curtain",
    "an arrow circles right",
    "satellite orbits the earth",
    "a spaceship in low orbit",
    "a truck left the station",
    "truck drives right through the mud",
    "a pan on the stove sizzles",
    "a handheld console on the table",
    "The static statue",
    "she walks toward the camera and moves left",
    "a bird drifts into view",
    "he glides into frame",
    "wide shot of a man who moves left",
    "girl holding a camera spins",
    "She slides left on the ice",
    "She rises and the camera follows",
    "cranes fly up over the lake",
    "a plane does a barrel roll",
    "waves roll left",
    "rolling hills",
    "the leaves rotate and fall",
    "she tilts up her chin",
    "she looks up",
    "a car zooms past",
    "zoom call with the team",
    "without zoom or pan left",
    "no zoom",
    "don't pan left",
    "avoid shaking",
    "slow motion",
]

EFFECTS = [
    ("the camera slowly pushes in while snow falls", ("snow",)),
    ("very slow zoom in with snow", ("snow",)),
    ("blizzard", ("snow",)),
    ("walking in the rain", ("rain",)),
    ("embers rise, fireflies", ("embers", "fireflies")),
    ("dust motes drift in the light", ("dust",)),
    ("fade in from black, vignette, film grain", ("grain", "vignette", "fade in")),
    ("fade to black", ("fade out",)),
    ("seamless loop of a waterfall", ("loop",)),
    ("the fox stands in the snow", ()),
    ("no snow", ()),
    ("without rain", ()),
    ("rainbow over the rainforest", ()),
    ("a field of grain in the wind", ()),
    ("the road fades in the distance", ()),
]


@pytest.mark.parametrize(("prompt", "moves"), MOVES)
def test_move_is_found(prompt: str, moves: list[str]) -> None:
    plan = parse(prompt, 1)
    assert [str(move) for move in plan.moves] == moves
    assert not plan.is_default


@pytest.mark.parametrize("prompt", NOT_MOVES)
def test_action_of_the_subject_is_no_move(prompt: str) -> None:
    plan = parse(prompt, 1)
    assert plan.is_default
    assert plan.describe().startswith("no camera move found, using a gentle ")


@pytest.mark.parametrize(("prompt", "effects"), EFFECTS)
def test_effects(prompt: str, effects: tuple[str, ...]) -> None:
    assert parse(prompt, 1).effects == effects


@pytest.mark.parametrize(
    ("prompt", "speed", "word"),
    [
        ("very slow zoom in", 0.35, "very slow"),
        ("slowly push in", 1.0 * 0.6, "slow"),
        ("a gentle pan left", 0.6, "gentle"),
        ("pan left", 1.0, ""),
        ("fast pan left", 1.4, "fast"),
        ("whip pan left", 1.8, "very fast"),
        ("a fast car drives by, slow push in", 0.6, "slow"),
        ("the river flows fast. push in", 1.0, ""),
        ("push in, slow motion", 1.0, ""),
        ("orbit left, slow", 0.6, "slow"),
        ("Pan right. Fast!", 1.4, "fast"),
        ("fast pan right, slow", 1.4, "fast"),
        ("A slow river. Pan right.", 1.0, ""),
    ],
)
def test_speed_is_the_cameras(prompt: str, speed: float, word: str) -> None:
    plan = parse(prompt, 1)
    assert (plan.speed, plan.speed_word) == (speed, word)


def test_describe() -> None:
    assert parse("slow push in, snow", 1).describe() == "slow push in · snow"
    assert parse("pan left then tilt up", 1).describe() == "pan left and tilt up"
    assert parse("a very slow locked-off shot", 1).describe() == "static camera"


def test_what_is_followed_and_what_is_not_is_told() -> None:
    plan = parse("She turns to the light and smiles. Slow push in while snow falls.", 1)
    assert plan.recognised == ("Slow", "push in", "snow falls")
    assert plan.ignored == ("She turns to the light", "smiles")


def test_second_move_of_an_axis_is_told_as_ignored() -> None:
    plan = parse("pan left then tilt up then pan right", 1)
    assert [str(move) for move in plan.moves] == ["pan left", "tilt up"]
    assert plan.ignored == ("pan right",)


def test_default_follows_the_seed_and_nothing_else() -> None:
    chosen = {parse("she smiles", seed).describe() for seed in range(40)}
    assert len(chosen) == len(DEFAULTS)
    assert parse("she smiles", 7) == parse("she smiles", "7")
    assert parse("she smiles", "abc").describe() == parse("he runs", "abc").describe()


def test_plan_is_the_same_every_time() -> None:
    assert parse("orbit left, rain", 3) == parse("orbit left, rain", 3)


@pytest.mark.parametrize(
    "prompt",
    [
        "slowly " * 400,
        "push " + "slowly " * 300,
        ", " * 1500,
        " " * 3000,
        "\n" * 50,
        "镜头推进",
        "🎥" * 99,
        "camera and " * 300,
    ],
)
def test_any_text_gives_a_plan(prompt: str) -> None:
    plan = parse(prompt, 1)
    assert plan.moves
    assert plan.describe()


def test_only_the_first_two_thousand_characters_are_read() -> None:
    assert parse("x" * 2001 + ". pan left", 1).is_default


@pytest.mark.parametrize("choice", CHOICES)
def test_choice_overrides_the_text_but_not_its_speed_and_effects(choice: str) -> None:
    plan = camera_plan("fast pan left, rain", 1, choice)
    assert [(move.move, move.direction) for move in plan.moves] == [CHOICES[choice]]
    assert (plan.speed, plan.effects) == (1.4, ("rain",))
    assert "pan left" in plan.ignored
    assert "pan left" not in plan.recognised


def test_choice_needs_no_text() -> None:
    plan = camera_plan("", 1, "tilt up")
    assert plan.describe() == "tilt up"
    assert plan.speed == 1.0


def test_form_offers_exactly_the_choices() -> None:
    fields = {field.name: field for field in form_fields(CameraOptions)}
    kind = fields["camera_move"].kind
    assert isinstance(kind, Choice)
    assert kind.options == (FROM_PROMPT, *CHOICES)
    assert fields["camera_move"].default == FROM_PROMPT
    assert isinstance(fields["framing"].kind, Choice)
    assert all(field.help for field in fields.values())
