"""What pages are made of."""

from prep.inspection.templating import name_dataset


def test_a_dataset_is_named_after_its_folder(tmp_path, monkeypatch):
    assert name_dataset("data/glue/") == "glue" == name_dataset("gs://bucket/of/glue")
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "below")
    assert (name_dataset("."), name_dataset(".."), name_dataset("/")) == ("below", "here", "/")
    assert name_dataset("data") == "below/data"
    assert name_dataset("gs://bucket/tickets/data") == "tickets/data"
    assert name_dataset("runs/demo/dataset") == "demo/dataset"
