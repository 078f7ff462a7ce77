"""Certificates for the fault server, made with the `openssl` command: one to trust, three nobody should."""

from __future__ import annotations

import subprocess
from pathlib import Path

_CA = "[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
_LEAF = "subjectAltName={san}\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
_DAYS = {"good": "2", "expired": "-1", "otherhost": "2", "selfsigned": "2"}


def make(openssl: str, folder: Path) -> Path:
    """`<name>.pem` for each of `listeners.TLS` in `folder`; the authority's own certificate is given back."""

    def run(*arguments: object) -> None:
        subprocess.run([openssl, *map(str, arguments)], check=True, capture_output=True, cwd=folder)

    def key(name: str) -> None:
        run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")

    (folder / "ca.cnf").write_text(f"[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n{_CA}")
    key("ca")
    run("req", "-x509", "-key", "ca.key", "-days", 2, "-subj", "/CN=fault tests", "-config", "ca.cnf", "-out", "ca.crt")
    for name, days in _DAYS.items():
        key(name)
        san = "DNS:other.example" if name == "otherhost" else "IP:127.0.0.1"
        issued = "" if name == "selfsigned" else "authorityKeyIdentifier=keyid\n"
        (folder / f"{name}.ext").write_text(_LEAF.format(san=san) + issued)
        run("req", "-new", "-key", f"{name}.key", "-subj", "/CN=service", "-config", "ca.cnf", "-out", f"{name}.csr")
        own = (
            ["-signkey", f"{name}.key"]
            if name == "selfsigned"
            else ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
        )
        run("x509", "-req", "-in", f"{name}.csr", *own, "-days", days, "-extfile", f"{name}.ext", "-out", f"{name}.crt")
        (folder / f"{name}.pem").write_text((folder / f"{name}.key").read_text() + (folder / f"{name}.crt").read_text())
    return folder / "ca.crt"
