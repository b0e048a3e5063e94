"""Which profile a folder of ONNX files is, and making a recogniser of it.

In: a folder with a model as somebody exported it. Out: its profile, or a folder that a ``StreamingRecogniser`` runs.
Invariants: names and tensors decide, never a guess from sizes; what is missing is named. Thread: any; ``describe``
loads the networks and runs each a few times. ``docs/reference/profiles.md`` shows what each profile has to have.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeAlias

from gapless.errors import ModelError
from gapless.listen.recogniser.profiles.fastconformer import describe_fastconformer
from gapless.listen.recogniser.profiles.files import ModelFiles, find_files
from gapless.listen.recogniser.profiles.layout import Layout, lay_out
from gapless.listen.recogniser.profiles.nemo import describe_nemo
from gapless.listen.recogniser.profiles.network import Network
from gapless.listen.recogniser.profiles.zipformer import describe_zipformer
from gapless.listen.recogniser.streaming.manifest import RecogniserManifest

Family: TypeAlias = Literal["nemo", "fastconformer", "zipformer"]

_DESCRIBE: Final[dict[Family, Callable[[ModelFiles, Network], Layout]]] = {
    "nemo": describe_nemo,
    "fastconformer": describe_fastconformer,
    "zipformer": describe_zipformer,
}


def detect(folder: Path) -> Family | None:
    """Which family of exports lies in a folder; None: none that is known. Loads the encoder.

    Raises:
        ModelError: a file cannot be read, or it cannot be told which of several is meant.
        MissingDependencyError: ONNX Runtime is not installed.
    """
    network = _encoder(find_files(folder))
    return None if network is None else _family(network)


def describe(folder: Path) -> RecogniserManifest:
    """Make a recogniser of a folder, in place: the files are moved into the folders of their parts.

    Returns:
        What was written into ``recogniser.toml``; ``layout.write_manifest`` replaces it.

    Raises:
        ModelError: nothing known lies there, or something is missing or does not fit; nothing was changed.
        MissingDependencyError: ONNX Runtime is not installed.
        OSError: the folder cannot be written.
    """
    files = find_files(folder)
    network = _encoder(files)
    family = None if network is None else _family(network)
    if network is None or family is None:
        what = "no encoder*.onnx or model*.onnx" if network is None else _shown(network)
        raise ModelError(
            f"{folder} has {what}; what is known are exports of NeMo (audio_signal) and icefall (x): "
            "see the reference of profiles"
        )
    layout = _DESCRIBE[family](files, network)
    lay_out(folder, layout)
    return layout.manifest


def _encoder(files: ModelFiles) -> Network | None:
    path = files.networks.get("encoder") or files.networks.get("ctc")
    return None if path is None else Network(path)


def _family(network: Network) -> Family | None:
    if "audio_signal" in network.inputs:
        return "fastconformer" if "cache_last_channel" in network.inputs else "nemo"
    streams = any(name.startswith("new_") for name in network.outputs)
    return (
        "zipformer" if "x" in network.inputs and (streams or "x_lens" in network.inputs) else None
    )


def _shown(network: Network) -> str:
    return f"{network.path.name} with the inputs {', '.join(network.inputs)}"
