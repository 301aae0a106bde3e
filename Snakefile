# mdstride: from seed compounds to a pretrained neural operator that forecasts molecular dynamics.
# Table of contents. Run it with `snakemake --cores all`; every key of config.yaml is explained there.
from snakemake.utils import min_version

min_version("9.27")


# A job on a cluster starts Snakemake anew, which is handed the configuration this one has frozen (rules/common.smk).
if workflow.is_main_process or not config:

    configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


pathvars:
    results=OUT,
    logs=f"{OUT}/logs",
    benchmarks=f"{OUT}/benchmarks",


onstart:
    claim()


onerror:
    advise(log)
    check_writable()


rule all:
    input:
        "<results>/report.html",
        structures,  # named here too: one that was deleted is made again
        trajectories,
        twins,


include: "workflow/rules/select.smk"
include: "workflow/rules/relax.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
