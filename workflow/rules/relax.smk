rule relax:
    input:
        # ancient: a new selection runs again only the compounds whose SMILES changed
        lambda wildcards: ancient(checkpoints.select.get().output.compounds),
    output:
        "<results>/structures/{id}.h5",
    log:
        "<logs>/relax/{id}.log",
    benchmark:
        "<benchmarks>/relax/{id}.tsv"
    priority: size
    conda:
        "../../envs/mdstride.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: cost.relax(config, size(wildcards)).mem_mb(attempt),
        runtime=lambda wildcards, attempt: cost.relax(config, size(wildcards)).runtime(attempt),
    params:
        config=sections("relax", "reference"),
        smiles=lambda wildcards: selected()[wildcards.id]["smiles"],
        source=source_hash(*SOURCES["relax"]),
    shell:
        "OMP_NUM_THREADS=1 python -m mdstride relax --config {params.config:q} --id {wildcards.id:q} --smiles {params.smiles:q} "
        "--output {output:q} > {log:q} 2>&1"
