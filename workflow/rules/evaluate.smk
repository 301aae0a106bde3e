rule evaluate:
    input:
        dataset="<results>/dataset.h5",
        weights="<results>/runs/{model}/{split}/{seed}/weights.safetensors",
        run="<results>/runs/{model}/{split}/{seed}/run.json",
    output:
        "<results>/scores/{model}/{split}/{seed}.csv",
    log:
        "<logs>/evaluate/{model}/{split}/{seed}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/{split}/{seed}.tsv"
    conda:
        "../../envs/mdstride.yaml"
    threads: 4
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        config=sections("evaluate"),
        folder=lambda wildcards, input: Path(input.weights).parent,
        source=source_hash("evaluate", "models", "windows.py"),
    shell:
        "python -m mdstride evaluate --config {params.config:q} --dataset {input.dataset:q} "
        "--split {wildcards.split:q} --run {params.folder:q} --output {output:q} 2>&1 | tee {log:q}"
