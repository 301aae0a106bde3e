rule pretrain:
    input:
        "<results>/dataset.h5",
    output:
        weights="<results>/runs/{model}/{split}/{seed}/weights.safetensors",
        log="<results>/runs/{model}/{split}/{seed}/log.jsonl",
        run="<results>/runs/{model}/{split}/{seed}/run.json",
    log:
        "<logs>/pretrain/{model}/{split}/{seed}.log",
    benchmark:
        "<benchmarks>/pretrain/{model}/{split}/{seed}.tsv"
    conda:
        "../../envs/mdstride.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        runtime=720,
        gpu=1,
    params:
        config=sections("pretrain"),
        folder=lambda wildcards, output: Path(output.weights).parent,
        # undeclared, so that Snakemake leaves it alone and an interrupted training resumes
        state=f"{OUT}/state/{{model}}/{{split}}/{{seed}}",
        source=source_hash("train", "models", "windows.py"),
    shell:
        "python -m mdstride pretrain --config {params.config:q} --model {wildcards.model:q} "
        "--split {wildcards.split:q} --seed {wildcards.seed:q} --dataset {input:q} "
        "--output {params.folder:q} --state {params.state:q} 2>&1 | tee {log:q}"
