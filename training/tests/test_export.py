"""The exported graphs against the network, and a stream against itself in pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from commands_en import decode, export, network, validate
from commands_en.network import State


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> network.Recogniser:
    torch.manual_seed(0)
    model = network.Recogniser().eval()
    # Weights that speak: an untrained network says nothing, and nothing would be compared.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    validate.penalise_blank(model, **export.BLANK_PENALTIES)
    return model


def exported(folder: Path, *, eight_bit: bool) -> decode.Model:
    target = folder / f"bits-{eight_bit}"
    export.write(folder / "model.pt", target, eight_bit=eight_bit, training={})
    return decode.Model(target)


@torch.no_grad()
def test_the_graphs_compute_what_the_network_computes(
    model: network.Recogniser, tmp_path: Path
) -> None:
    graphs = exported(tmp_path, eight_bit=False)
    features = torch.randn(3, 24, 40)
    state = State(torch.randn(2, 3, 192) * 0.3, torch.randn(2, 3, 192) * 0.3)
    expected, after = model.encoder(features, state)
    encoded, h, c = graphs.encoder.run(
        None, {"features": features.numpy(), "h": state.h.numpy(), "c": state.c.numpy()}
    )
    np.testing.assert_allclose(encoded, expected, atol=1e-4)
    np.testing.assert_allclose(h, after.h, atol=1e-4)
    np.testing.assert_allclose(c, after.c, atol=1e-4)
    tokens = torch.tensor([[0], [5], [76]])
    begin = State(torch.randn(1, 3, 64), torch.randn(1, 3, 64))
    expected_said, said_after = model.predictor(tokens, begin)
    said, ph, pc = graphs.predictor.run(
        None, {"token": tokens.numpy(), "ph": begin.h.numpy(), "pc": begin.c.numpy()}
    )
    np.testing.assert_allclose(said, expected_said[:, 0], atol=1e-4)
    np.testing.assert_allclose(ph, said_after.h, atol=1e-4)
    np.testing.assert_allclose(pc, said_after.c, atol=1e-4)
    (logits,) = graphs.joiner.run(None, {"encoded": encoded[:, 2], "predicted": said})
    expected_logits = model.joiner(expected[:, 2], expected_said[:, 0])
    np.testing.assert_allclose(logits, expected_logits, atol=1e-3)
    (log_probs,) = graphs.ctc.run(None, {"encoded": encoded})
    np.testing.assert_allclose(log_probs, model.ctc(expected).log_softmax(-1), atol=1e-3)


@pytest.mark.parametrize("by_ctc", [False, True])
@pytest.mark.parametrize("eight_bit", [False, True])
@pytest.mark.usefixtures("model")
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


@pytest.mark.usefixtures("model")
def test_eight_bit_matrices_are_off_by_at_most_half_a_step(tmp_path: Path) -> None:
    exported(tmp_path, eight_bit=True)
    stored = onnx.load(tmp_path / "bits-True" / "joiner" / "1" / "model.onnx").graph.initializer
    arrays = {entry.name: onnx.numpy_helper.to_array(entry) for entry in stored}
    weights = torch.load(tmp_path / "model.pt", weights_only=True)["joiner.score.weight"].numpy().T
    scale = arrays["score.w.scale"]
    assert arrays["score.w.int8"].dtype == np.int8
    assert scale.shape == (1, weights.shape[1])
    assert (np.abs(arrays["score.w.int8"] * scale - weights) <= scale / 2 + 1e-7).all()
