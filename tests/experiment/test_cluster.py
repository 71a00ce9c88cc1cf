"""Workers from TF_CONFIG and from SLURM's variables."""

import json

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import cluster

SLURM = {
    "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_PROCID": "3",
    "SLURM_STEP_NODELIST": "node[9-10],gpu01",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "SLURM_JOB_ID": "123",
    "SLURM_STEP_ID": "4",
}


def tf_config(cluster_spec, kind, index):
    return {
        "TF_CONFIG": json.dumps({"cluster": cluster_spec, "task": {"type": kind, "index": index}})
    }


def test_tf_config_names_the_workers():
    hosts = ["a:1", "b:1", "c:1"]
    found = cluster.find(tf_config({"worker": hosts}, "worker", 2))
    assert (found.addresses, found.index, found.count) == (hosts, 2, 3)
    with_chief = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    assert cluster.find(tf_config(with_chief, "chief", 0)).index == 0
    found = cluster.find(tf_config(with_chief, "worker", 0) | SLURM)  # it comes before SLURM
    assert (found.addresses, found.index) == (hosts, 1)


@pytest.mark.parametrize(
    "spec,kind,index,word",
    [
        ({"worker": ["a:1"]}, "worker", 0, "two workers at least"),
        ({"worker": ["a:1", "a:1"]}, "worker", 0, "one address"),
        ({"worker": ["a:1", "b:1"]}, "worker", 2, "no worker with index 2"),
        ({"worker": ["a:1", "b:1"]}, "worker", -1, "no worker with index -1"),
        ({"worker": ["a:1", "b"]}, "worker", 0, "'b' is not host:port"),
        ({"worker": ["a:1"], "ps": ["b:1"]}, "worker", 0, "workers only"),
        ({"worker": ["a:1", "b:1"]}, "worker", "0", "TypeError"),
        ([], "worker", 0, "workers only"),
    ],
)
def test_a_tf_config_that_cannot_be_is_a_sentence_with_an_example(spec, kind, index, word):
    with pytest.raises(UserError, match=r"TF_CONFIG cannot be used .*host1:12345") as found:
        cluster.find(tf_config(spec, kind, index))
    assert word in str(found.value)


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"cluster": {}}'])
def test_any_text_is_a_sentence(text):
    with pytest.raises(UserError, match="TF_CONFIG cannot be used"):
        cluster.find({"TF_CONFIG": text})


def test_tasks_of_slurm_are_workers_in_the_order_of_the_nodes():
    found = cluster.find(SLURM)
    hosts, ports = zip(*(address.split(":") for address in found.addresses), strict=True)
    assert hosts == ("node9", "node9", "node10", "node10", "gpu01") and found.index == 3
    first = int(ports[0])
    assert [int(port) - first for port in ports] == [0, 1, 0, 1, 0]
    assert cluster.find(SLURM | {"SLURM_STEP_ID": "5"}).addresses != found.addresses


def test_variables_of_slurm_that_contradict_each_other_are_a_sentence():
    for changed in ({"SLURM_STEP_TASKS_PER_NODE": "2"}, {"SLURM_STEP_NUM_TASKS": "6"}):
        with pytest.raises(UserError, match="SLURM's variables do not say"):
            cluster.find(SLURM | changed)
    with pytest.raises(UserError, match="SLURM_STEP_NODELIST"):
        cluster.find({key: value for key, value in SLURM.items() if "NODELIST" not in key})


def test_short_forms_of_slurm():
    assert cluster.expand_hosts("a[1-2,07],b,c3") == ["a1", "a2", "a07", "b", "c3"]
    assert cluster.expand_hosts("rack[08-10]-x") == ["rack08-x", "rack09-x", "rack10-x"]
    assert cluster.expand_counts("2(x3),1") == [2, 2, 2, 1]
    for text in ("a[1]b[2]", "a[x]", "a[1-2-3]"):
        with pytest.raises(ValueError):
            cluster.expand_hosts(text)
    with pytest.raises(ValueError):
        cluster.expand_counts("2x3")


def test_without_either_a_sentence_says_what_to_set():
    for environment in ({}, {"SLURM_STEP_NUM_TASKS": "1"}):
        with pytest.raises(UserError, match=r"set TF_CONFIG=.* srun"):
            cluster.find(environment)
