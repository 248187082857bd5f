"""What is found among the taps of peers, and which networks may be peers."""

import functools

import pytest

from odtf import methods
from odtf.methods.shared.fusion import last_stage_but_one
from odtf.methods.shared.peers import check_answers, last_map, several, stages_of
from odtf.models import deploy
from odtf.tasks import Classification, Retrieval
from tests.methods.tiny import tiny

# As text, "stage10" comes before "stage2".
ELEVEN = functools.partial(tiny, (2,) * 9 + (3, 5))


def test_stages_stand_in_the_order_of_the_network():
    taps = ELEVEN(seed=0, name="eleven").output
    assert stages_of(taps) == [f"stage{i}" for i in range(1, 12)]
    assert last_map(taps).shape[-1] == 5


def test_a_network_of_eleven_stages_is_cut_before_its_last():
    assert last_stage_but_one(ELEVEN(seed=0, name="eleven")) == "stage10"
    method = methods.CLILR(ELEVEN, num_peers=2)
    assert method.trunk.output["cut"].shape[-1] == 3
    assert set(stages_of(method.branches["peer_1"].output)) == {"stage11"}


def test_levels_of_attention_and_adapters_stand_in_order():
    teacher = ELEVEN(seed=1, name="teacher")
    assert list(methods.AttentionTransfer(ELEVEN, teacher).levels) == [f"stage{i}" for i in range(1, 12)]
    ensemble = methods.OnlineEnsemble(ELEVEN, num_peers=2, cut="stage1")
    assert stages_of(ensemble.adapters["peer_1"].output) == [f"stage{i}" for i in range(2, 12)]


def test_one_network_for_all_or_one_for_each():
    assert several(tiny, 3) == [tiny] * 3
    assert several((tiny, ELEVEN), 7) == [tiny, ELEVEN]
    with pytest.raises(ValueError, match="at least 3 peers"):
        several((tiny, ELEVEN), least=3)
    with pytest.raises(ValueError, match="at most 1 network"):
        methods.Solo([tiny, ELEVEN])


@pytest.mark.parametrize("name", ["DeepMutualLearning", "Codistillation", "KDCL", "OnlineDistillationCheap"])
def test_peers_of_different_answers_are_refused(name):
    with pytest.raises(ValueError, match=r"one shape. Received: \(10,\) of peer_0, \(7,\) of peer_1"):
        getattr(methods, name)([tiny, functools.partial(tiny, classes=7)])


def test_a_deployed_network_has_its_answer_alone():
    whole = tiny(seed=0, name="one")
    check_answers({"whole": whole, "deployed": deploy(tiny(seed=1, name="other"))}, Classification())
    with pytest.raises(ValueError, match=r"\(10,\) of whole, \(7,\) of deployed"):
        check_answers({"whole": whole, "deployed": deploy(tiny(seed=1, name="other", classes=7))}, Classification())


def test_answers_whose_relations_are_compared_may_differ_unless_they_are_averaged():
    networks = {"narrow": tiny((4, 6), seed=0, name="narrow"), "wide": tiny((4, 8), seed=0, name="wide")}
    check_answers(networks, Retrieval())
    with pytest.raises(ValueError, match=r"one shape\. Received: \(6,\) of narrow, \(8,\) of wide"):
        check_answers(networks, Retrieval(), averaged=True)


@pytest.mark.parametrize(
    "name", ["DeepMutualLearning", "KDCL", "CollaborativeCrossArchitecture", "OnlineDistillationCheap"]
)
def test_peers_may_be_different_networks(name, batch):
    method = getattr(methods, name)([tiny, functools.partial(tiny, (3, 5))])
    outputs = method(batch[0])
    assert [outputs[f"peer_{i}"]["stage2"].shape[-1] for i in range(2)] == [6, 5]


def test_attention_needs_embeddings_of_one_size():
    other = functools.partial(tiny, (4, 8))
    with pytest.raises(ValueError, match=r"embeddings of one size. Received: \[6, 8\]"):
        methods.OKDDip([tiny, tiny, other], form="network")
    assert methods.OKDDip([other, tiny, tiny], form="network").students == ("peer_0",)
