"""Three stills that ship with Takes, drawn for it (see `docs/art`), to try a model with one click."""

from dataclasses import dataclass
from importlib import resources

from core.errors import NotFound


@dataclass(frozen=True)
class Sample:
    """A still to try.

    Args:
        name: its file's name without the ending; what `--image sample:NAME` takes.
        title: what it shows.
        prompt: a prompt that suits it, with a camera move that Local preview understands.
    """

    name: str
    title: str
    prompt: str

    def read(self) -> bytes:
        """The JPEG."""
        return (resources.files("core.samples") / f"{self.name}.jpg").read_bytes()


SAMPLES = (
    Sample("lighthouse", "Lighthouse at dusk", "The lamp turns and waves roll in as night falls. Slow push in."),
    Sample("valley", "Valley at sunrise", "Mist drifts between the ridges while the sun comes up. Pan right."),
    Sample("balloon", "Hot-air balloon", "The balloon rises over the fields in the morning light. Tilt up."),
)


def get(name: str) -> Sample:
    """The sample of that name. Raises NotFound, with the names there are."""
    for sample in SAMPLES:
        if sample.name == name:
            return sample
    raise NotFound(f"There is no sample “{name}”. There are: {', '.join(sample.name for sample in SAMPLES)}.")
