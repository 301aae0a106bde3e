rule scores:
    # everything that is evaluated, without a report: docs/protocols.md
    input:
        expand("<results>/scores/{scored}.h5", scored=SCORES),


rule baselines:
    input:
        dataset="<results>/dataset.h5",
    output:
        "<results>/scores/baselines/{split}.h5",
    log:
        "<logs>/evaluate/baselines/{split}.log",
    benchmark:
        "<benchmarks>/evaluate/baselines/{split}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: TORCH_THREADS
    resources:
        mem_mb=lambda wildcards, input, attempt: cost.evaluate(config, len(sizes()), input.size_mb).mem_mb(attempt),
        runtime=lambda wildcards, input, attempt: cost.evaluate(config, len(sizes()), input.size_mb).runtime(attempt),
    params:
        config=sections("evaluate"),
        source=source_hash(*SOURCES["baselines"]),
    shell:
        "python -m mdstride evaluate --config {params.config:q} --dataset {input.dataset:q} "
        "--split {wildcards.split:q} --output {output:q} 2>&1 | tee {log:q}"


rule evaluate:
    input:
        dataset="<results>/dataset.h5",
        weights="<results>/runs/{model}/{split}/{seed}/weights.safetensors",
        run="<results>/runs/{model}/{split}/{seed}/run.json",
    output:
        "<results>/scores/{model}/{split}/{seed}.h5",
    log:
        "<logs>/evaluate/{model}/{split}/{seed}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/{split}/{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: TORCH_THREADS
    resources:
        mem_mb=lambda wildcards, input, attempt: cost.evaluate(config, len(sizes()), input.size_mb).mem_mb(attempt),
        runtime=lambda wildcards, input, attempt: cost.evaluate(config, len(sizes()), input.size_mb).runtime(attempt),
    params:
        config=sections("evaluate"),
        folder=lambda wildcards, input: Path(input.weights).parent,
        source=source_hash(*SOURCES["evaluate"]),
    shell:
        "python -m mdstride evaluate --config {params.config:q} --dataset {input.dataset:q} "
        "--split {wildcards.split:q} --run {params.folder:q} --output {output:q} 2>&1 | tee {log:q}"


rule energies:
    input:
        dataset="<results>/dataset.h5",
        scores="<results>/scores/{scored}.h5",
        weights=lambda wildcards: (
            f"{OUT}/runs/{wildcards.scored}/weights.safetensors" if wildcards.scored in RUNS else []
        ),
    output:
        "<results>/scores/{scored}.energies.csv",
    log:
        "<logs>/energies/{scored}.log",
    benchmark:
        "<benchmarks>/energies/{scored}.tsv"
    wildcard_constraints:
        scored="|".join(SCORES),
    conda:
        "../../envs/mdstride.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: cost.energies(config, sizes(), input.size_mb).mem_mb(attempt),
        runtime=lambda wildcards, input, attempt: cost.energies(config, sizes(), input.size_mb).runtime(attempt),
    params:
        config=sections("reference"),
        run=lambda wildcards, input: f"--run {Path(input.weights).parent}" if input.weights else "",
        source=source_hash(*SOURCES["energies"]),
    shell:
        "python -m mdstride energies --config {params.config:q} --dataset {input.dataset:q} --scores {input.scores:q} "
        "{params.run} --output {output:q} 2>&1 | tee {log:q}"
