rule simulate:
    input:
        "<results>/structures/{id}.h5",
    output:
        "<results>/trajectories/{id}/{replica}.h5md",
    log:
        "<logs>/simulate/{id}/{replica}.log",
    benchmark:
        "<benchmarks>/simulate/{id}/{replica}.tsv"
    priority: size
    conda:
        "../../envs/mdstride.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: cost.simulate(config, size(wildcards)).mem_mb(attempt),
        runtime=lambda wildcards, attempt: cost.simulate(config, size(wildcards)).runtime(attempt),
    params:
        config=sections("simulate", "reference"),
        # undeclared, so that Snakemake leaves it alone and an interrupted trajectory goes on
        state=f"{OUT}/state/trajectories/{{id}}/{{replica}}",
        previous=f"{OUT}/state/trajectories/{{id}}/{{replica}}.h5md",  # so a longer one goes on where this one ends
        source=source_hash(*SOURCES["simulate"]),
    shell:
        # the shell outlives a SIGTERM, so that the job is not over before the state is saved
        "trap '' TERM; OMP_NUM_THREADS=1 python -m mdstride simulate --config {params.config:q} --structure {input:q} --replica {wildcards.replica:q} "
        "--state {params.state:q} --previous {params.previous:q} --output {output:q} > {log:q} 2>&1"


rule twin:
    input:
        structure="<results>/structures/{id}.h5",
        original="<results>/trajectories/{id}/{replica}.h5md",
    output:
        "<results>/trajectories/{id}/{replica}.twin.h5md",
    log:
        "<logs>/twin/{id}/{replica}.log",
    benchmark:
        "<benchmarks>/twin/{id}/{replica}.tsv"
    priority: size
    conda:
        "../../envs/mdstride.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: twin_cost(wildcards).mem_mb(attempt),
        runtime=lambda wildcards, attempt: twin_cost(wildcards).runtime(attempt),
    params:
        config=sections("simulate", "reference"),
        state=f"{OUT}/state/trajectories/{{id}}/{{replica}}.twin",
        previous=f"{OUT}/state/trajectories/{{id}}/{{replica}}.twin.h5md",
        length=config["plan"]["twin_length"],
        source=source_hash(*SOURCES["twin"]),
    shell:
        # the shell outlives a SIGTERM, so that the job is not over before the state is saved
        "trap '' TERM; OMP_NUM_THREADS=1 python -m mdstride simulate --config {params.config:q} --structure {input.structure:q} "
        "--replica {wildcards.replica:q} --twin-of {input.original:q} --length {params.length} "
        "--state {params.state:q} --previous {params.previous:q} --output {output:q} > {log:q} 2>&1"
