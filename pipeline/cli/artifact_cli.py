"""The verbs of an artifact: eval, encode, bench, verify, bundle, certify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from decant.errors import InputError
from decant.models.prompts import PromptText
from pipeline.cli.options import AsJson, Quiet, Quoting, print_json, print_table

app = typer.Typer()
ArtifactFolder = Annotated[
    Path, typer.Argument(help="An artifact folder, such as runs/NAME/artifacts/L6xD384-fp32.", metavar="ARTIFACT")
]


@app.command(
    "eval",
    epilog="Example:\n\n    decant eval runs/stsb/artifacts/L6xD384-fp32 --pairs my_pairs.tsv --label score",
)
def evaluate(
    artifact: ArtifactFolder,
    pairs: Annotated[Path, typer.Option(help="File of labelled pairs.")],
    first: Annotated[str, typer.Option(help="Column of the first text.")] = "sentence1",
    second: Annotated[str, typer.Option(help="Column of the second text.")] = "sentence2",
    label: Annotated[str, typer.Option(help="Column of the label, a number.")] = "label",
    first_prompt: Annotated[
        str | None, typer.Option(help="Name of the artifact's prompt that the first text stands behind.")
    ] = None,
    second_prompt: Annotated[str | None, typer.Option(help="Name of the second text's prompt.")] = None,
    quoting: Quoting = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Measure an artifact on a file of pairs with graded labels: Spearman and Pearson of its cosines."""
    from pipeline.cli.artifact_commands import evaluate_artifact
    from pipeline.texts.quoting import quoting_option

    result = evaluate_artifact(
        artifact, pairs, first, second, label, threads, (first_prompt, second_prompt), quoting_option(quoting)
    )
    if as_json:
        print_json(result)
        return
    low, high = result["ci95"]
    typer.echo(
        f"{result['pairs']:,} pairs: Spearman {100 * result['spearman']:.2f} "
        f"(95 % interval {100 * low:.2f} to {100 * high:.2f}), Pearson {100 * result['pearson']:.2f}"
    )


@app.command(
    epilog="Examples:\n\n    decant encode runs/stsb/artifacts/L6xD384-fp32 < texts.txt > vectors.npy\n\n"
    "    decant encode ARTIFACT --vectors binary < texts.txt > signs.npy\n\n"
    "    decant encode ARTIFACT --prompt query < questions.txt > vectors.npy"
)
def encode(
    artifact: ArtifactFolder,
    format_: Annotated[str, typer.Option("--format", help="npy (one matrix) or jsonl (one vector a line).")] = "npy",
    vectors: Annotated[
        str, typer.Option(help="float32, or int8 or binary (eight signs a byte) where the artifact gives them.")
    ] = "float32",
    prompt: Annotated[
        str | None,
        typer.Option(
            help="Name of the artifact's prompt that each text stands behind.", show_default="the artifact's default"
        ),
    ] = None,
    prompt_text: Annotated[str | None, typer.Option(help="A prompt itself, in place of one of the artifact's.")] = None,
    batch_size: Annotated[int, typer.Option(help="Texts a batch.", min=1)] = 32,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
) -> None:
    """Encode the lines of standard input to vectors on standard output."""
    from export.graphs.vector_kinds import VectorKind
    from pipeline.cli.artifact_commands import encode_lines

    if format_ not in ("npy", "jsonl"):
        raise InputError(f"--format {format_}: choose npy or jsonl")
    kinds: dict[str, VectorKind] = {"float32": "float32", "int8": "int8", "binary": "binary"}
    if vectors not in kinds:
        raise InputError(f"--vectors {vectors}: choose {', '.join(kinds)}")
    if format_ == "npy" and sys.stdout.isatty():
        raise InputError(
            "a .npy matrix does not belong on a terminal; redirect it: decant encode ARTIFACT < texts > vectors.npy"
        )
    if prompt is not None and prompt_text is not None:
        raise InputError("--prompt and --prompt-text: give one of them")
    before = PromptText(prompt_text) if prompt_text is not None else prompt
    encode_lines(artifact, sys.stdin.buffer, sys.stdout.buffer, format_, batch_size, threads, kinds[vectors], before)


@app.command(
    epilog="Examples:\n\n    decant bench runs/stsb/artifacts/L6xD384-fp32 --pairs my_pairs.tsv\n\n"
    "    decant bench runs/nested/artifacts/L*-fp32 --pairs my_pairs.tsv --peers sentence-transformers/all-MiniLM-L6-v2"
)
def bench(
    artifacts: Annotated[list[Path], typer.Argument(help="Artifact folders.", metavar="ARTIFACT…")],
    pairs: Annotated[Path, typer.Option(help="File of labelled pairs, whose texts are encoded.")],
    peers: Annotated[
        str | None, typer.Option(help="Model that sentence-transformers and model2vec are to run beside.")
    ] = None,
    first: Annotated[str, typer.Option(help="Column of the first text.")] = "sentence1",
    second: Annotated[str, typer.Option(help="Column of the second text.")] = "sentence2",
    label: Annotated[str, typer.Option(help="Column of the label, a number.")] = "label",
    quoting: Quoting = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
    rounds: Annotated[int, typer.Option(help="Timed rounds of one text; of 32 texts a fifth.", min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """Time artifacts beside each other, and beside what other libraries make of a model, in one run."""
    from pipeline.measure.bench import bench as run_bench
    from pipeline.measure.bench import bench_table
    from pipeline.measure.speed import SpeedSettings
    from pipeline.screen.console import Screen
    from pipeline.texts.quoting import quoting_option

    told = quoting_option(quoting)
    settings = SpeedSettings(rounds=rounds, batch_rounds=max(1, rounds // 5), threads=threads)
    found = run_bench(artifacts, pairs, (first, second, label), peers, settings, Screen(quiet=as_json).watch, told)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    print_table(bench_table(found))
    where = f"{found.environment.cpu}, {found.environment.threads} threads"
    typer.echo(f"\nSpearman ×100 of {found.pairs:,} pairs; {found.texts:,} texts, tokenizer included; {where}")
    for note in found.notes:
        typer.echo(note)


@app.command(epilog="Example:\n\n    decant verify runs/stsb/artifacts/L6xD384-fp32")
def verify(artifact: ArtifactFolder, as_json: AsJson = False) -> None:
    """Check an artifact: every file's sha256, and that its graph still gives torch's vectors."""
    from pipeline.cli.artifact_commands import verify_parity

    facts = verify_parity(artifact)
    if as_json:
        print_json(facts)
        return
    held = "its graph scores pairs; it holds no weights for torch to compare with"
    if "batch_invariance" in facts:
        held = f"alone against in a batch {facts['batch_invariance']:.6f}"
        held = f"min cosine to torch {facts['min_cosine']:.6f}, {held}" if "min_cosine" in facts else held
    typer.echo(f"{artifact} holds: {facts['files']} files as exported, {held}")
    if "not_compared" in facts:
        typer.echo(f"It was not compared with PyTorch: {facts['not_compared']}")


@app.command(
    epilog="Examples:\n\n    decant bundle runs/stsb/artifacts/L6xD384-fp32 --for tei --out served\n\n"
    "    decant bundle runs/stsb/artifacts/L6xD384-fp32 --for transformers.js --out web/model --force"
)
def bundle(
    artifact: ArtifactFolder,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    for_: Annotated[
        str,
        typer.Option("--for", help="ort, st, tei, fastembed, transformers.js, triton or openvino.", metavar="RUNTIME"),
    ],
    force: Annotated[bool, typer.Option(help="Replace what --out holds.")] = False,
) -> None:
    """Write a folder that one runtime mounts or loads as it is, with a README and, for servers, a Dockerfile.

    ort: ONNX Runtime. st: sentence-transformers. tei: text-embeddings-inference.
    """
    from export.deploy.folder import bundle_artifact
    from export.deploy.target import target_of

    bundle_artifact(artifact, target_of(for_), out, force=force)
    typer.echo(f"wrote {out}; {out / 'README.md'} tells how to start it")


@app.command(
    epilog="Examples:\n\n    decant certify runs/stsb/artifacts/L6xD384-fp32\n\n"
    "    decant certify runs/stsb/artifacts/L6xD384-fp32 --runtimes onnxruntime,fastembed,transformers.js --strict"
)
def certify(
    artifact: ArtifactFolder,
    runtimes: Annotated[
        str | None,
        typer.Option(
            help="onnxruntime, sentence-transformers, sentence-transformers-onnx, fastembed, transformers.js, "
            "openvino, text-embeddings-inference, triton; several with commas.",
            show_default="all of them",
        ),
    ] = None,
    min_cosine: Annotated[float, typer.Option(help="Least cosine to our own vectors.", min=-1, max=1)] = 0.999,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 3 also where a runtime that could run it was not.")
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Where environments are kept.", show_default="the user's cache folder")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Load an artifact in the runtimes themselves, on 500 texts, and write into it what came of that.

    Each runtime is installed once, in an environment of its own; the torch of sentence-transformers takes minutes.
    Of text-embeddings-inference and Triton the rules of their folders are checked. Exit code 3 where one disagrees.
    """
    from pipeline.cli.certify_command import certify_artifact, hold_certificate
    from pipeline.screen.console import Screen

    names = runtimes.split(",") if runtimes is not None else None
    records = certify_artifact(artifact, names, cache, min_cosine, Screen(quiet=quiet))
    if as_json:
        print_json({name: record.model_dump(mode="json") for name, record in records.items()})
    else:
        said = "one runtime" if len(records) == 1 else f"{len(records)} runtimes"
        typer.echo(f"wrote what came of {said} into {artifact / 'decant.json'} and its README.md")
    hold_certificate(records, strict=strict)
