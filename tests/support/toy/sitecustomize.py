"""Adds the toy backend to the table, in every process that is started with this folder on its path; nothing else."""

from dataclasses import replace

from training.backends import BACKENDS

# its row without its module, which imports the project
BACKENDS["toy"] = replace(
    BACKENDS["transformers_peft"],
    name="toy",
    module="tests.support.toy.backend",
    library="numpy",
    install="It comes with the tests.",
    packages=("numpy",),
    quantizations=("none",),
    exports=False,
)
