rule dataset:
    input:
        structures,
        trajectories,
        compounds="<results>/compounds.csv",
    output:
        dataset="<results>/dataset.h5",
        table="<results>/trajectories.csv",
        card="<results>/card.md",
    log:
        "<logs>/dataset.log",
    benchmark:
        "<benchmarks>/dataset.tsv"
    conda:
        "../../envs/mdstride.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=sections("dataset", "reference"),
        replicas=config["plan"]["replicas"],
        structures=lambda wildcards, output: Path(output.dataset).parent / "structures",
        trajectories=lambda wildcards, output: Path(output.dataset).parent / "trajectories",
        source=source_hash("dataset"),
    shell:
        "python -m mdstride dataset --config {params.config:q} --compounds {input.compounds:q} "
        "--structures {params.structures:q} --trajectories {params.trajectories:q} --replicas {params.replicas} "
        "--output {output.dataset:q} --table {output.table:q} --card {output.card:q} 2>&1 | tee {log:q}"
