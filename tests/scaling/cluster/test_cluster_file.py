"""The shipped files of Ray clusters: Ray takes them, and what they start is closed to others."""

import copy
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from clinfonce.cli import main
from clinfonce.errors import InputError
from clinfonce.scaling.cluster.launcher import check_file, head_of

AWS, LOCAL = Path("cluster.yaml"), Path("cluster-local.yaml")
GUIDE = Path("docs/cluster.md")
MINE = {"s3://CHANGE-my-bucket": "s3://bucket", "ami-CHANGE": "ami-1", "sg-CHANGE": "sg-1"}


def own(changes=MINE):
    """The file for AWS with the values of somebody's account in it."""
    text = AWS.read_text()
    for example, mine in changes.items():
        assert example in text
        text = text.replace(example, mine)
    return text


@pytest.fixture
def aws_file(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(own())
    return path


def test_ray_takes_the_files(aws_file):
    assert check_file(aws_file).metadata.results == "s3://bucket/clinfonce"
    assert check_file(aws_file).promised_workers == 0  # they start when a sweep asks for them
    assert check_file(LOCAL).promised_workers == 2


def test_ray_takes_the_variant_for_gcp(tmp_path):
    (variant,) = re.findall(
        r"^```yaml\n(.*?)^```", GUIDE.read_text(), flags=re.DOTALL | re.MULTILINE
    )
    variant = yaml.safe_load(variant.replace("CHANGE-my-project", "project"))
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(own()) | variant))
    assert check_file(path).provider.type == "gcp"


def test_spot_machines_are_asked_for_before_dearer_ones_of_the_same_kind():
    kinds = yaml.safe_load(AWS.read_text())["available_node_types"]
    spot, dear = kinds["gpu_spot"], kinds["gpu_on_demand"]
    assert spot["priority"] > dear["priority"]
    assert spot["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in dear["node_config"]
    same = ["resources", "min_workers"]
    assert [spot[key] for key in same] == [dear[key] for key in same]
    assert spot["node_config"]["InstanceType"] == dear["node_config"]["InstanceType"]


@pytest.mark.parametrize("path", [AWS, LOCAL], ids=str)
class TestWhatTheFilesStart:
    def test_the_shell_understands_every_command(self, path):
        file = yaml.safe_load(path.read_text())
        commands = [c for name in file if name.endswith("_commands") for c in file[name]]
        assert len(commands) >= 8
        for command in commands:
            subprocess.run(["bash", "-n", "-c", command], check=True)

    def test_ray_keeps_its_files_where_its_user_alone_may_enter(self, path, tmp_path, monkeypatch):
        file = yaml.safe_load(path.read_text())
        for kind in ("head_start_ray_commands", "worker_start_ray_commands"):
            make, start = file[kind][-2:]
            (place,) = re.findall(r"--temp-dir=(\S+)/ray( |$)", start)[0][:1]
            assert make == f"install -d -m 700 {place}"
            here = make.replace("/tmp/", f"{tmp_path}/")
            folder = tmp_path / "clinfonce-me"
            monkeypatch.setenv("USER", "me")
            folder.mkdir(mode=0o777, exist_ok=True)
            folder.chmod(0o777)  # as a stranger might leave it
            subprocess.run(["bash", "-c", here], check=True)
            assert folder.stat().st_mode & 0o777 == 0o700

    @pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
    def test_a_folder_that_a_stranger_made_first_is_refused(self, path, tmp_path, monkeypatch):
        monkeypatch.setenv("USER", "me")
        for parent in tmp_path.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o011)
        tmp_path.chmod(0o1777)
        (tmp_path / "clinfonce-me").mkdir()
        os.chown(tmp_path / "clinfonce-me", 65533, 65533)
        make = yaml.safe_load(path.read_text())["head_start_ray_commands"][-2]
        here = make.replace("/tmp/", f"{tmp_path}/")
        done = subprocess.run(["bash", "-c", here], user=65534, group=65534, check=False)
        assert done.returncode != 0  # Ray's launcher goes no further

    def test_metrics_are_off_and_no_proxy_stands_before_loopback(self, path):
        (line,) = [c for c in yaml.safe_load(path.read_text())["setup_commands"] if "METRIC" in c]
        line = line.partition("echo '")[2].partition("'")[0]
        script = f"no_proxy=intra.example; {line}; echo $no_proxy $RAY_enable_metrics_collection"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["localhost,127.0.0.1,intra.example", "0"]
        assert "AUTOSCALER_METRIC_PORT=-1 DASHBOARD_METRIC_PORT=-1" in line

    def test_the_dashboard_is_on_loopback_and_the_token_is_asked_for(self, path):
        file = yaml.safe_load(path.read_text())
        head, worker = file["head_start_ray_commands"][-1], file["worker_start_ray_commands"][-1]
        assert "--dashboard-host=127.0.0.1" in head
        assert "RAY_AUTH_MODE=token ray start" in head
        assert "RAY_AUTH_MODE=token ray start" in worker
        assert file["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
        assert any("chmod 600 ~/.ray/auth_token" in c for c in file["setup_commands"])

    def test_every_machine_gets_the_package_and_neither_results_nor_environment(self, path):
        mounts = yaml.safe_load(path.read_text())["file_mounts"]
        sent = {there: here for there, here in mounts.items() if there.startswith("~/clinfonce/")}
        assert {Path(there).name for there in sent} == set(sent.values())
        assert all(Path(here).exists() for here in sent.values())
        assert {"clinfonce", "pyproject.toml", "constraints.txt"} <= set(sent.values())


def test_what_is_still_the_examples_is_told(tmp_path):
    with pytest.raises(InputError, match=r"metadata\.results is still the example's"):
        check_file(AWS)
    some = tmp_path / "cluster.yaml"
    some.write_text(own({"s3://CHANGE-my-bucket": "s3://bucket", "sg-CHANGE": "sg-1"}))
    with pytest.raises(InputError, match=r"node_config\.ImageId is still .* 'ami-CHANGE'"):
        check_file(some)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("max_workers: 8 ", "max_wrokers: 8 ", r"Ray refuses it: .*'max_wrokers' was unexpected"),
        ('{"CPU": 8, "GPU": 1}', '{"CPU": 8, "GPU": 0.5}', "Ray refuses it: 0.5 is not of type"),
        ("head_node_type: head", "head_node_type: haed", "Ray refuses it: .*head_node_type"),
        ("  results: s3", "  result: s3", r"cluster.yaml:\d+: metadata.results: is missing"),
        ("cluster_name:", "cluster_name: [", r"cluster.yaml:\d+: not YAML"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_a_line(aws_file, before, after, problem):
    assert before in aws_file.read_text()
    aws_file.write_text(aws_file.read_text().replace(before, after))
    with pytest.raises(InputError, match=problem) as refusal:
        check_file(aws_file)
    assert "\n" not in str(refusal.value)


class TestOnAnImitationOfAws:
    @pytest.fixture
    def account(self, monkeypatch):
        """Somebody's account: a key, and a group open to their address and inside itself."""
        moto = pytest.importorskip("moto", reason="moto, which imitates AWS, is not installed")
        boto3 = pytest.importorskip("boto3")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        with moto.mock_aws():
            ec2 = boto3.client("ec2", region_name="us-west-2")
            ec2.create_key_pair(KeyName="clinfonce")
            group = ec2.create_security_group(GroupName="clinfonce", Description="ours")["GroupId"]
            permissions = [
                {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
                 "IpRanges": [{"CidrIp": "203.0.113.7/32"}]},
                {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]},
            ]  # fmt: skip
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
            iam = boto3.client("iam")
            make_role(iam, "clinfonce-head", ["head", "worker"])
            make_role(iam, "clinfonce-worker", ["worker"])
            yield ec2, group

    @pytest.fixture
    def resolved(self, account):
        from ray.autoscaler._private.aws.config import bootstrap_aws
        from ray.autoscaler._private.util import prepare_config, validate_config

        ec2, group = account
        image = ec2.describe_images()["Images"][0]["ImageId"]
        mine = {"s3://CHANGE-my-bucket": "s3://b", "ami-CHANGE": image, "sg-CHANGE": group}
        config = prepare_config(yaml.safe_load(own(mine)))
        validate_config(config)
        return bootstrap_aws(config)

    def test_nothing_is_opened_and_no_role_is_made(self, account, resolved):
        import boto3

        ec2, group = account
        groups = ec2.describe_security_groups()["SecurityGroups"]
        assert {g["GroupName"] for g in groups} == {"default", "clinfonce"}
        rules = [r for g in groups for r in g["IpPermissions"]]
        assert "0.0.0.0/0" not in json.dumps(rules)
        roles = boto3.client("iam").list_roles()["Roles"]
        assert {role["RoleName"] for role in roles} == {"clinfonce-head", "clinfonce-worker"}
        for kind in resolved["available_node_types"].values():
            assert kind["node_config"]["SecurityGroupIds"] == [group]

    def test_a_head_a_spot_machine_and_an_on_demand_machine_start(self, account, resolved):
        from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

        ec2, group = account
        provider = AWSNodeProvider(resolved["provider"], resolved["cluster_name"])
        for kind in resolved["available_node_types"].values():
            provider.create_node(copy.deepcopy(kind["node_config"]), {}, 1)
        reservations = ec2.describe_instances()["Reservations"]
        machines = [machine for each in reservations for machine in each["Instances"]]
        assert {(m["InstanceType"], m.get("InstanceLifecycle")) for m in machines} == {
            ("m7i.large", None),
            ("g6.2xlarge", "spot"),
            ("g6.2xlarge", None),
        }
        for machine in machines:
            role = "head" if machine["InstanceType"] == "m7i.large" else "worker"
            assert machine["IamInstanceProfile"]["Arn"].endswith(f"/clinfonce-{role}")
            assert [g["GroupId"] for g in machine["SecurityGroups"]] == [group]
            assert machine["MetadataOptions"]["HttpTokens"] == "required"
        volumes = ec2.describe_volumes()["Volumes"]
        assert [volume["Encrypted"] for volume in volumes] == [True] * 3


class TestTheHeadOfACluster:
    @pytest.fixture
    def file(self, aws_file, monkeypatch):
        """The file for AWS, and a server that imitates AWS for Ray's commands too."""
        server = pytest.importorskip("moto.server").ThreadedMotoServer(
            "127.0.0.1", 0, verbose=False
        )
        server.start()
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        yield aws_file
        server.stop()

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    @pytest.mark.slow
    def test_is_found_once_it_runs(self, file, tmp_path, capsys):
        import boto3

        command = ["sweep", "sweeps/digits.yaml", "--results", str(tmp_path / "results")]
        assert main([*command, "--cluster", str(file)]) == 2
        told = capsys.readouterr().err.splitlines()
        assert f"the cluster of {file} is not up (" in told[1]
        assert "Head node of cluster (clinfonce) not found" in told[1]
        assert len(told) == 2
        ec2 = boto3.client("ec2", region_name="us-west-2")
        tags = {
            "ray-cluster-name": "clinfonce",
            "ray-node-type": "head",
            "ray-node-status": "up-to-date",
        }
        labels = [{"Key": key, "Value": value} for key, value in tags.items()]
        started = ec2.run_instances(
            ImageId=ec2.describe_images()["Images"][0]["ImageId"], MinCount=1, MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": labels}],
        )  # fmt: skip
        name = started["Instances"][0]["InstanceId"]
        (reservation,) = ec2.describe_instances(InstanceIds=[name])["Reservations"]
        address = reservation["Instances"][0]["PublicIpAddress"]
        machine = head_of(check_file(file), file)
        assert (machine.address, machine.user) == (address, "ubuntu")
        assert machine.key == str(Path("~/.ssh/clinfonce.pem").expanduser())


def make_role(iam, role, policies):
    iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    for policy in policies:
        document = Path(f"docs/aws-{policy}-policy.json").read_text()
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=document)
    iam.create_instance_profile(InstanceProfileName=role)
    iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)


@pytest.mark.parametrize("role", ["head", "worker"])
def test_a_role_may_do_no_more_than_it_needs(role):
    policy = json.loads(Path(f"docs/aws-{role}-policy.json").read_text())
    for statement in policy["Statement"]:
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        assert "*" not in "".join(actions)
        looks = all(action.startswith("ec2:Describe") for action in actions)
        assert statement["Resource"] != "*" or "Condition" in statement or looks
