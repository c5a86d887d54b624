"""Checks nginx.yaml: against Kubernetes' own schemas, its parts against one another, and its nginx.conf in an nginx.

usage: test.py <nginx> <module>
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import kubernetes_validate
import yaml

MANIFEST = pathlib.Path(__file__).with_name("nginx.yaml")
# The oldest that its own users still run, and the newest that the library has schemas of.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
SECRET = "0123456789abcdef0123456789abcdef"


def of_kind(documents, kind):
    [found] = [document for document in documents if document["kind"] == kind]
    return found


def schemas(documents):
    for document in documents:
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
        broken = json.loads(json.dumps(document)) | {"spce": {}}
        try:
            kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)
        except kubernetes_validate.ValidationError:
            continue
        raise AssertionError(f"a mistake in {document['kind']} goes unseen")
    return f"{len(documents)} documents fit the schemas of Kubernetes {' and '.join(VERSIONS)}; a mistyped member does not"


def parts(documents):
    deployment, service = of_kind(documents, "Deployment"), of_kind(documents, "Service")
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert deployment["spec"]["replicas"] > 1
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    assert of_kind(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert of_kind(documents, "PodDisruptionBudget")["spec"]["minAvailable"] < deployment["spec"]["replicas"]
    [container] = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in ports
    configuration = of_kind(documents, "ConfigMap")
    conf = configuration["data"]["nginx.conf"]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[name]["httpGet"]
        assert f"listen {ports[probe['port']]};" in conf and f"location = {probe['path']} " in conf, name
    volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert volumes.keys() == mounts.keys()
    assert volumes["configuration"]["configMap"]["name"] == configuration["metadata"]["name"]
    assert mounts["configuration"]["mountPath"] == "/etc/nginx/nginx.conf"
    assert f"file:{mounts['secret']['mountPath']}/secret;" in conf
    assert "env" not in container, "the secret is a file, not a variable"
    return "selectors, ports, probes and volumes name one another"


def token(user):
    encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    part = lambda value: encode(json.dumps(value).encode())
    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part({"uid": user, "exp": int(time.time()) + 3600})
    return (signed + b"." + encode(hmac.digest(SECRET.encode(), signed, hashlib.sha256))).decode()


def ask(path, target, user=None):
    authorization = f"Authorization: Bearer {token(user)}\r\n" if user else ""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


def served(documents, nginx, module):
    """The configuration as it stands, but for the places that only a pod has."""
    conf = of_kind(documents, "ConfigMap")["data"]["nginx.conf"]
    deployment = of_kind(documents, "Deployment")["spec"]["template"]["spec"]
    probe = deployment["containers"][0]["readinessProbe"]["httpGet"]["path"]
    with tempfile.TemporaryDirectory() as room:
        room = pathlib.Path(room)
        (room / "secret").write_text(SECRET)
        backend = f"server {{ listen unix:{room}/backend.sock; location / {{ return 200 $http_x_user_id; }} }}"
        for here, there in {
            "/tmp/": f"{room}/",
            "modules/ngx_http_jwt_user_scope_module.so": module,
            "/run/secrets/better-auth/secret": f"{room}/secret",
            "listen 8080;": f"listen unix:{room}/nginx.sock;",
            "http://backend:8000": f"http://unix:{room}/backend.sock",
            "/dev/stdout": f"{room}/access.log",
            "http {\n": f"http {{\n{backend}\n",
        }.items():
            assert here in conf, here
            conf = conf.replace(here, there)
        (room / "nginx.conf").write_text(conf)
        # Started by root, as no pod is, its workers would lose the sight of this directory.
        directives = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
        command = [nginx, "-p", room, "-c", room / "nginx.conf", "-e", "stderr", "-g", directives]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            deadline = time.monotonic() + 20
            while not (room / "nginx.sock").exists():
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline, "nginx does not listen"
                time.sleep(0.05)
            assert ask(room / "nginx.sock", probe) == 204
            got = [ask(room / "nginx.sock", "/api/users/42/x", user) for user in ("42", "43", None)]
            assert got == [200, 403, 401], got
        finally:
            process.terminate()
            process.wait(20)
    return "its nginx.conf serves, refuses, and answers the probe"


def main(nginx, module):
    documents = list(yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8")))
    for said in (schemas(documents), parts(documents), served(documents, nginx, module)):
        print("ok:", said)


main(*sys.argv[1:])
