"""Asks a tapedeck server as boto3's sagemaker-runtime client does: ask.py URL.
Standard input is {"endpoint", "float32" (base64), "json", "csv", "wrong"}; the
answers are printed as JSON, with the error of the wrong question."""
import base64, json, struct, sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

url, q = sys.argv[1], json.load(sys.stdin)
runtime = boto3.client("sagemaker-runtime", endpoint_url=url, region_name="us-east-1", aws_access_key_id="none",
                       aws_secret_access_key="none", config=Config(retries={"max_attempts": 1}))


def ask(kind, body, endpoint=q["endpoint"]):
    return runtime.invoke_endpoint(EndpointName=endpoint, ContentType=kind, Body=body)["Body"].read()


raw = ask("application/vnd.tapedeck.float32", base64.b64decode(q["float32"]))
magic, rows, width, zero = struct.unpack("<4sIII", raw[:16])
assert magic == b"TDF1" and zero == 0
values = struct.unpack(f"<{rows * width}f", raw[16:])
answers = {"float32": [list(values[i * width:(i + 1) * width]) for i in range(rows)],
           "json": json.loads(ask("application/json", q["json"]))["predictions"],
           "csv": [[float(v) for v in line.split(",")] for line in ask("text/csv", q["csv"]).decode().splitlines()]}
for name, wrong in {"wrong": lambda: ask("text/csv", q["wrong"]), "missing": lambda: ask("text/csv", "1", "nobody")}.items():
    try:
        wrong()
        answers[name] = "answered"
    except ClientError as e:
        answers[name] = e.response["Error"]["Code"] + " " + str(e.response.get("OriginalStatusCode", ""))
print(json.dumps(answers))
