"""Create the stack on moto, a stand-in for AWS, as far as moto goes.

What moto's CloudFormation makes is made there. What it passes over (Glue, Athena,
alarms) is handed to the service's own API, so that at least its shape is proved.
Nothing here proves what only AWS can: that the box starts and that mail arrives.
"""

import importlib
import pathlib
import re
import sys
import warnings

import boto3
import yaml
from moto import mock_aws
from moto.core.common_models import CloudFormationModel

# CloudFormation on moto makes what is loaded.
for service in ["athena", "awslambda", "budgets", "cloudwatch", "ec2", "glue", "iam", "logs", "s3", "sagemaker", "sns"]:
    importlib.import_module(f"moto.{service}.models")
warnings.simplefilter("ignore")

NAME = "tapedeck-test"
BODY = pathlib.Path(__file__).with_name("template.yaml").read_text()
# moto knows only event sources of AWS's own.
WITHOUT_SOURCE = re.sub(r"^  Source:\n.*?\n\n", "\n", BODY, flags=re.S | re.M)


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags; Ref and Sub become text."""


def tagged(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


Loader.add_multi_constructor("!", tagged)


def client(service):
    return boto3.client(service, region_name="us-east-1")


def subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def create(**given):
    given = {"Package": "s3://artifacts/tapedeck.rpm", "ArtifactBucket": "artifacts", "Email": "a@example.com"} | given
    image = client("ec2").describe_images()["Images"][0]["ImageId"]
    client("ssm").put_parameter(Name="/tapedeck/image", Value=image, Type="String", Overwrite=True)
    client("s3").create_bucket(Bucket="artifacts")
    client("s3").put_object(Bucket="artifacts", Key="alert-arm64.zip", Body=b"PK\5\6" + bytes(18))
    cf = client("cloudformation")
    cf.validate_template(TemplateBody=BODY)
    cf.create_stack(
        StackName=NAME,
        TemplateBody=WITHOUT_SOURCE,
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in (given | {"Image": "/tapedeck/image"}).items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    stack = cf.describe_stacks(StackName=NAME)["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    made = [r["ResourceType"] for r in cf.describe_stack_resources(StackName=NAME)["StackResources"] if r.get("PhysicalResourceId")]
    outputs = {o["OutputKey"]: o.get("OutputValue") for o in stack["Outputs"]}

    assert client("s3").get_bucket_encryption(Bucket=outputs["Bucket"])["ServerSideEncryptionConfiguration"]["Rules"]
    mails = {s["Endpoint"] for s in client("sns").list_subscriptions()["Subscriptions"]}
    assert mails == {"a@example.com"}, mails
    return made


def shapes():
    """Hand to each API what CloudFormation would hand to it."""
    resources = yaml.load(BODY, Loader)["Resources"]
    of = lambda kind: {n: r["Properties"] for n, r in resources.items() if r["Type"] == kind}
    glue = client("glue")
    for p in of("AWS::Glue::Database").values():
        glue.create_database(DatabaseInput=p["DatabaseInput"])
    for p in of("AWS::Glue::Table").values():
        glue.create_table(DatabaseName="tapedeck", TableInput=p["TableInput"])
    names = {t["Name"] for t in glue.get_tables(DatabaseName="tapedeck")["TableList"]}
    assert names == {"ticks_raw", "ticks", "bars", "features", "alerts", "predictions", "dead_letters"}, names
    for p in of("AWS::Athena::WorkGroup").values():
        configuration = dict(p["WorkGroupConfiguration"], BytesScannedCutoffPerQuery=10_000_000_000)
        client("athena").create_work_group(Name=NAME, Configuration=configuration)
    for name, p in of("AWS::CloudWatch::Alarm").items():
        actions = {"AlarmActions": ["arn:aws:sns:us-east-1:123456789012:t"], "OKActions": []}
        client("cloudwatch").put_metric_alarm(AlarmName=name, **(p | actions))
    for name, p in of("AWS::S3::Bucket").items():
        client("s3").create_bucket(Bucket="shapes")
        client("s3").put_public_access_block(Bucket="shapes", PublicAccessBlockConfiguration=p["PublicAccessBlockConfiguration"])
    for p in of("AWS::Budgets::Budget").values():
        budget = p["Budget"] | {"BudgetName": "b", "BudgetLimit": {"Amount": "100", "Unit": "USD"}}
        client("budgets").create_budget(AccountId="123456789012", Budget=budget, NotificationsWithSubscribers=[
            n | {"Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}]} for n in p["NotificationsWithSubscribers"]])
    return len(names)


def main():
    known = {c.cloudformation_type() for c in subclasses(CloudFormationModel)}
    wanted = {r["Type"] for r in yaml.load(BODY, Loader)["Resources"].values()}
    for what, given in {
        "a box alone": {},
        "with the alert function": {"LambdaKey": "alert-arm64.zip", "AlertRules": "s3://artifacts/rules.yaml"},
        "with the alert function and pollers": {"LambdaKey": "alert-arm64.zip", "LambdaPollers": "1"},
        "with a model": {"ModelData": "s3://artifacts/model.tar.gz", "ModelInstance": "ml.m5.large", "ModelImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tapedeck:1"},
    }.items():
        with mock_aws():
            made = create(**given)
            print(f"moto, {what}: {len(made)} resources of {len(set(made))} types made")
    print("moto's CloudFormation passes over:", ", ".join(sorted(wanted - known)), "and the source in Kafka")
    with mock_aws():
        print(f"their APIs take them: {shapes()} tables, the workgroup, the alarms, the budget")


if __name__ == "__main__":
    sys.exit(main())
