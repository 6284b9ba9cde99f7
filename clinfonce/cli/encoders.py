"""Commands on what an encoder sees and on the encoder itself: views, embed, export."""

import argparse
import json
from typing import Any

from clinfonce.cli.common import add_command, add_specification


def add_commands(commands: Any) -> None:
    """Add views, embed and export."""
    views = add_command(
        commands, "views", _views, "write a picture of what augmentation does", False
    )
    add_specification(views, "YAML file of a sweep or a trial", nargs="?")
    views.add_argument("--policy", metavar="NAME", help="augmentation; default: the SPEC's")
    views.add_argument("--data", metavar="NAME", help="data set; default: the SPEC's")
    views.add_argument("--out", metavar="FILE", default="views.png", help="default views.png")

    embed = add_command(commands, "embed", _embed, "write the features of a data set")
    embed.add_argument(
        "encoder", metavar="TRIAL_ID|ENCODER",
        help="a trial, a saved encoder (.safetensors), or a pretrained one such as timm:MODEL",
    )  # fmt: skip
    embed.add_argument("--data", metavar="DATA", required=True, help="data set")
    embed.add_argument("--root", metavar="DIR", help="folder that holds the data set")
    embed.add_argument("--out", metavar="FILE", required=True, help=".parquet")

    export = add_command(commands, "export", _export, "write a trial's encoder for use elsewhere")
    export.add_argument("trial", metavar="TRIAL_ID", help="trial_id, or how it begins")
    export.add_argument("--out", metavar="FILE", required=True, help=".safetensors or .onnx")


def _views(arguments: argparse.Namespace) -> int:
    from clinfonce.trial.views import views

    path = views(
        arguments.spec, arguments.policy, arguments.data, arguments.out, arguments.settings
    )
    print(json.dumps(str(path)) if arguments.json else path)
    return 0


def _embed(arguments: argparse.Namespace) -> int:
    from clinfonce.trial.embedding import embed

    path = embed(
        arguments.encoder,
        arguments.data,
        arguments.out,
        home=arguments.results,
        root=arguments.root,
    )
    print(json.dumps(str(path)) if arguments.json else path)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from clinfonce.models.export import export_encoder

    path = export_encoder(arguments.results, arguments.trial, arguments.out)
    print(json.dumps(str(path)) if arguments.json else path)
    return 0
