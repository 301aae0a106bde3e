import pytest
import torch
from models_helpers import LAGS, SETTINGS, batch, make, molecule

from mdstride.errors import InputError
from mdstride.formats.tensors import write_tensors
from mdstride.models.registry import MODELS, build, load, read_metadata, save


def metadata(name, **changes):
    return {
        "model": name,
        "settings": SETTINGS[name],
        "dataset_hash": "0" * 64,
        "split": "compound",
        "seed": 1,
        "step": 7,
    } | changes


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_forecasts_as_the_saved_one(name, tmp_path):
    model = make(name).float()
    save(tmp_path / "weights.safetensors", model.state_dict(), metadata(name))
    loaded = load(tmp_path / "weights.safetensors", "cpu")
    assert not loaded.training
    state = batch([molecule(4, seed=1)])
    assert torch.equal(loaded.double().forecast(state, LAGS[:1]), model.double().forecast(state, LAGS[:1]))
    assert read_metadata(tmp_path / "weights.safetensors") == metadata(name)


def refused(path, weights, about, match):
    write_tensors(path, weights, about)
    with pytest.raises(InputError, match=match) as caught:
        load(path, "cpu")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_misfits_are_refused_in_one_line(tmp_path):
    path, weights = tmp_path / "weights.safetensors", make("atom").state_dict()
    refused(path, weights, metadata("atom", model="mota"), "no model `mota`; registered: atom")
    refused(path, weights, metadata("atom", settings=SETTINGS["atom"] | {"width": 32}), "does not fit model `atom`")
    refused(path, weights, metadata("atom", settings={"width": 32}), "does not fit model `atom`")
    refused(path, {**weights, "extra": torch.zeros(1)}, metadata("atom"), "does not fit model `atom`")
    refused(path, weights, {"step": 3}, "no trained model")


def test_damaged_weights_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save(path, make("atom").state_dict(), metadata("atom"))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="SHA-256"):
        load(path, "cpu")


def test_an_unknown_model_is_refused():
    with pytest.raises(InputError, match="registered: atom"):
        build("mota", {})


def test_metadata_must_be_complete(tmp_path):
    with pytest.raises(ValueError, match="metadata needs"):
        save(tmp_path / "weights.safetensors", {}, {"model": "atom"})
