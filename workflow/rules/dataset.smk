rule dataset:
    input:
        structures,
        trajectories,
        twins,
        compounds="<results>/compounds.csv",
        named=[split["path"] for split in config["dataset"]["splits"].values() if "path" in split],
    output:
        dataset="<results>/dataset.h5",
        table=report("<results>/trajectories.csv", caption="../report/trajectories.rst", category="Data"),
        card="<results>/card.md",
    log:
        "<logs>/dataset.log",
    benchmark:
        "<benchmarks>/dataset.tsv"
    conda:
        "../../envs/mdstride.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: cost.dataset(config, sizes()).mem_mb(attempt),
        runtime=lambda wildcards, attempt: cost.dataset(config, sizes()).runtime(attempt),
    params:
        config=sections("dataset", "reference"),
        replicas=config["plan"]["replicas"],
        twins=config["plan"]["twins"],
        # undeclared, so that Snakemake leaves it alone: compounds that have not changed are copied from it
        previous=f"{OUT}/state/dataset.h5",
        structures=lambda wildcards, output: Path(output.dataset).parent / "structures",
        trajectories=lambda wildcards, output: Path(output.dataset).parent / "trajectories",
        source=source_hash(*SOURCES["dataset"]),
    shell:
        "python -m mdstride dataset build --config {params.config:q} --compounds {input.compounds:q} "
        "--structures {params.structures:q} --trajectories {params.trajectories:q} --replicas {params.replicas} --twins {params.twins} "
        "--previous {params.previous:q} --output {output.dataset:q} --table {output.table:q} --card {output.card:q} 2>&1 | tee {log:q}"
