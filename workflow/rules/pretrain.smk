rule pretrain:
    input:
        start=config["pretrain"]["start_from"] or [],
        dataset="<results>/dataset.h5",
    output:
        weights="<results>/runs/{model}/{split}/{seed}/weights.safetensors",
        last="<results>/runs/{model}/{split}/{seed}/last.safetensors",
        log="<results>/runs/{model}/{split}/{seed}/log.jsonl",
        run="<results>/runs/{model}/{split}/{seed}/run.json",
    log:
        "<logs>/pretrain/{model}/{split}/{seed}.log",
    benchmark:
        "<benchmarks>/pretrain/{model}/{split}/{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: TORCH_THREADS
    resources:
        mem_mb=lambda wildcards, input, attempt: cost.pretrain(input.size_mb).mem_mb(attempt),
        runtime=720,  # what is left then goes on in the next attempt
        gpu=lambda wildcards: cost.gpus(config, elsewhere=workflow.non_local_exec),
    params:
        config=sections("pretrain"),
        # one process for each GPU, on one node
        launch=(
            "python"
            if config["pretrain"]["processes"] == 1
            else f"torchrun --standalone --nproc-per-node {config['pretrain']['processes']}"
        ),
        folder=lambda wildcards, output: Path(output.weights).parent,
        # undeclared, so that Snakemake leaves it alone and an interrupted training resumes
        state=f"{OUT}/state/{{model}}/{{split}}/{{seed}}",
        source=source_hash(*SOURCES["pretrain"]),
    shell:
        # shell and tee outlive a SIGTERM, so that the job is not over before the state is saved
        "trap '' TERM; {params.launch} -m mdstride pretrain --config {params.config:q} --model {wildcards.model:q} "
        "--split {wildcards.split:q} --seed {wildcards.seed:q} --dataset {input.dataset:q} "
        "--output {params.folder:q} --state {params.state:q} 2>&1 | tee {log:q}"
