rule report:
    input:
        compounds="<results>/compounds.csv",
        rejections="<results>/rejections.csv",
        space="<results>/space.csv",
        trajectories="<results>/trajectories.csv",
        dataset="<results>/dataset.h5",
        runs=expand("<results>/runs/{run}/{file}", run=RUNS, file=["log.jsonl", "run.json"]),
        scores=expand("<results>/scores/{scored}.h5", scored=SCORES),
        published="resources/published.csv",
        energies=expand("<results>/scores/{scored}.energies.csv", scored=SCORES),
    output:
        report=report("<results>/report.html", caption="../report/report.rst", category="Result"),
        summary=report("<results>/summary.csv", caption="../report/summary.rst", category="Result"),
        long="<results>/scores.csv.gz",
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../../envs/mdstride.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: cost.report(config, len(sizes()), len(RUNS)).mem_mb(attempt),
        runtime=lambda wildcards, attempt: cost.report(config, len(sizes()), len(RUNS)).runtime(attempt),
    params:
        config=sections(*SECTIONS),
        runs=[f"{OUT}/runs/{run}" for run in RUNS],
        source=source_hash(*SOURCES["report"]),
    shell:
        "python -m mdstride report --config {params.config:q} --compounds {input.compounds:q} "
        "--rejections {input.rejections:q} --space {input.space:q} --trajectories {input.trajectories:q} "
        "--dataset {input.dataset:q} --runs {params.runs:q} --scores {input.scores:q} "
        "--energies {input.energies:q} --output {output.report:q} --summary {output.summary:q} --long {output.long:q} 2>&1 | tee {log:q}"
