rule simulate:
    input:
        "<results>/structures/{id}.h5",
    output:
        "<results>/trajectories/{id}/{replica}.h5md",
    log:
        "<logs>/simulate/{id}/{replica}.log",
    benchmark:
        "<benchmarks>/simulate/{id}/{replica}.tsv"
    conda:
        "../../envs/mdstride.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        config=sections("simulate", "reference"),
        source=source_hash("simulate", "engines", "bonds.py", "constants.py"),
    shell:
        "python -m mdstride simulate --config {params.config:q} --structure {input:q} "
        "--replica {wildcards.replica:q} --output {output:q} > {log:q} 2>&1"
