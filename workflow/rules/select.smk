# From the library to the list of compounds: read once, screen in shards, choose among the candidates.
scattergather:
    screen=config["library"]["shards"],


rule library:
    input:
        config["screen"]["seeds"],
        [path for path in [library_path(config["library"])] if path is not None],
    output:
        shards=scatter.screen(f"{OUT}/select/{{scatteritem}}.tsv.gz"),
        counts="<results>/select/counts.json",
    log:
        "<logs>/library.log",
    benchmark:
        "<benchmarks>/library.tsv"
    conda:
        "../../envs/mdstride.yaml"
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        config=sections("library", "screen"),
        source=source_hash(*SOURCES["library"]),
    shell:
        "python -m mdstride library --config {params.config:q} "
        "--shards {output.shards:q} --counts {output.counts:q} 2>&1 | tee {log:q}"


rule screen:
    input:
        config["screen"]["seeds"],
        shard="<results>/select/{scatteritem}.tsv.gz",
    output:
        "<results>/select/{scatteritem}.h5",
    log:
        "<logs>/screen/{scatteritem}.log",
    benchmark:
        "<benchmarks>/screen/{scatteritem}.tsv"
    conda:
        "../../envs/mdstride.yaml"
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        config=sections("screen"),
        source=source_hash(*SOURCES["screen"]),
    shell:
        "python -m mdstride screen --config {params.config:q} "
        "--shard {input.shard:q} --output {output:q} 2>&1 | tee {log:q}"


checkpoint select:
    input:
        config["screen"]["seeds"],
        [config["select"][key] for key in ("names", "extra_compounds") if config["select"][key] is not None],
        screened=gather.screen(f"{OUT}/select/{{scatteritem}}.h5"),
        counts="<results>/select/counts.json",
    output:
        compounds=report("<results>/compounds.csv", caption="../report/compounds.rst", category="Data"),
        rejections="<results>/rejections.csv",
        space="<results>/space.csv",
    log:
        "<logs>/select.log",
    benchmark:
        "<benchmarks>/select.tsv"
    conda:
        "../../envs/mdstride.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        config=sections("select", "screen"),
        source=source_hash(*SOURCES["select"]),
    shell:
        "python -m mdstride select --config {params.config:q} --screened {input.screened:q} "
        "--counts {input.counts:q} --compounds {output.compounds:q} --rejections {output.rejections:q} "
        "--space {output.space:q} 2>&1 | tee {log:q}"
