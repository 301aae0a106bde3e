checkpoint select:
    input:
        [
            config["select"][key]
            for key in ("seeds", "library", "names", "extra_compounds")
            if config["select"][key] is not None
        ],
    output:
        compounds="<results>/compounds.csv",
        rejections="<results>/rejections.csv",
    log:
        "<logs>/select.log",
    benchmark:
        "<benchmarks>/select.tsv"
    conda:
        "../../envs/mdstride.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        config=sections("select"),
        source=source_hash("select"),
    shell:
        "python -m mdstride select --config {params.config:q} "
        "--compounds {output.compounds:q} --rejections {output.rejections:q} 2>&1 | tee {log:q}"
