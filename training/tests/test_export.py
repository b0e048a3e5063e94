"""The exported graphs against the network, and a stream against itself in pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch

from commands_en import decode, export, features, network
from commands_en.network import State


@pytest.fixture(name="towers")
def _towers(tmp_path: Path) -> list[network.Tower]:
    torch.manual_seed(0)
    towers = []
    for front in network.COLUMNS:
        tower = network.Tower(front).eval()
        # Weights that speak: an untrained network says nothing, and nothing would be compared.
        with torch.no_grad():
            for parameter in tower.parameters():
                parameter.mul_(3)
        (tmp_path / front).mkdir()
        torch.save(tower.state_dict(), tmp_path / front / "model.pt")
        towers.append(tower)
    return towers


def exported(folder: Path, *, eight_bit: bool) -> decode.Model:
    target = folder / f"bits-{eight_bit}"
    export.write(folder, target, eight_bit=eight_bit, training={})
    return decode.Model(target)


def halves(whole: npt.NDArray[np.float32], axis: int) -> list[torch.Tensor]:
    return [torch.from_numpy(part) for part in np.split(whole, 2, axis=axis)]


def mean(logits: list[torch.Tensor], blank_penalty: float) -> torch.Tensor:
    both = torch.stack([part.log_softmax(-1) for part in logits]).mean(0)
    both[..., 0] -= blank_penalty
    return both


@torch.no_grad()
def test_the_graphs_compute_what_the_towers_compute(
    towers: list[network.Tower], tmp_path: Path
) -> None:
    graphs = exported(tmp_path, eight_bit=False)
    rng = np.random.default_rng(1)
    power = np.exp(rng.normal(-2, 4, (3, 24, 40))).astype(np.float32)
    begin = (0.3 * rng.standard_normal((2, 4, 3, 192))).astype(np.float32)
    encoded, sums, h, c = [], np.zeros((3, 41), np.float32), *begin
    for heard in np.split(features.log_mel(power), 6, axis=1):
        step, sums, h, c = graphs.encoder.run(
            None, {"features": heard, "sums": sums, "h": h, "c": c}
        )
        encoded.append(step)
    encodings = np.concatenate(encoded, axis=1)
    seen = torch.from_numpy(features.fronts(power))
    expected = []
    for index, tower in enumerate(towers):
        before = State(*(halves(part, 0)[index].contiguous() for part in begin))
        of_tower, after = tower.encode(seen, before)
        expected.append(of_tower)
        np.testing.assert_allclose(halves(encodings, 2)[index], of_tower, atol=1e-4)
        np.testing.assert_allclose(halves(h, 0)[index], after.h, atol=1e-4)
        np.testing.assert_allclose(halves(c, 0)[index], after.c, atol=1e-4)
    token = np.array([[0], [5], [76]], np.int64)
    said_before = rng.standard_normal((2, 2, 3, 64)).astype(np.float32)
    said, ph, pc = graphs.predictor.run(
        None, {"token": token, "ph": said_before[0], "pc": said_before[1]}
    )
    predicted = []
    for index, tower in enumerate(towers):
        before = State(*(halves(part, 0)[index].contiguous() for part in said_before))
        of_tower, after = tower.predictor(torch.from_numpy(token), before)
        predicted.append(of_tower[:, 0])
        np.testing.assert_allclose(halves(said, 1)[index], of_tower[:, 0], atol=1e-4)
        np.testing.assert_allclose(halves(ph, 0)[index], after.h, atol=1e-4)
        np.testing.assert_allclose(halves(pc, 0)[index], after.c, atol=1e-4)
    (logits,) = graphs.joiner.run(None, {"encoded": encodings[:, 2], "predicted": said})
    scores = [t.joiner(e[:, 2], p) for t, e, p in zip(towers, expected, predicted, strict=True)]
    joint = mean(scores, export.BLANK_PENALTIES["joiner"])
    np.testing.assert_allclose(logits, joint, atol=1e-3)
    (log_probs,) = graphs.ctc.run(None, {"encoded": encodings})
    by_ctc = mean([t.ctc(e) for t, e in zip(towers, expected, strict=True)], 0.0)
    by_ctc[..., 0] -= export.BLANK_PENALTIES["ctc"]
    np.testing.assert_allclose(log_probs, by_ctc.log_softmax(-1), atol=1e-3)


@pytest.mark.parametrize("by_ctc", [False, True])
@pytest.mark.parametrize("eight_bit", [False, True])
@pytest.mark.usefixtures("towers")
def test_a_stream_in_pieces_hears_what_the_whole_hears(
    tmp_path: Path, *, eight_bit: bool, by_ctc: bool
) -> None:
    graphs = exported(tmp_path, eight_bit=eight_bit)
    rng = np.random.default_rng(4)
    samples = (rng.standard_normal(40000) * np.repeat(rng.random(10), 4000)).astype(np.float32)
    whole = decode.recognise(graphs, samples, by_ctc=by_ctc)
    stream = decode.Stream(graphs, by_ctc=by_ctc)
    for piece in np.split(samples, np.sort(rng.integers(0, samples.size, 300))):
        stream.push(piece)
    assert [(w.word, w.at_ms) for w in stream.words] == [(w.word, w.at_ms) for w in whole]
    assert whole


def test_eight_bit_matrices_are_off_by_at_most_half_a_step(
    towers: list[network.Tower], tmp_path: Path
) -> None:
    exported(tmp_path, eight_bit=True)
    stored = onnx.load(tmp_path / "bits-True" / "joiner" / "1" / "model.onnx").graph.initializer
    arrays = {entry.name: onnx.numpy_helper.to_array(entry) for entry in stored}
    weights = towers[0].joiner.score.weight.detach().numpy().T
    scale, rounded = arrays["log.score.w.scale"], arrays["log.score.w.int8"]
    assert rounded.dtype == np.int8
    assert scale.shape == (1, weights.shape[1])
    assert (np.abs(rounded * scale - weights) <= scale / 2 + 1e-7).all()
