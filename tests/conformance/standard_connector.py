"""A materialization connector that keeps standard bindings in JSON files, for the tests of the simulator.

It knows nothing of S3, speaks the JSON codec only, and refuses every option it does not know. What it is given it stages in its
state, and writes it when the runtime acknowledges that it has committed. Each shard has a file of its own.
"""

import json
import os
import sys


def say(**message):
    print(json.dumps(message, separators=(",", ":")), flush=True)


def fail(message):
    print(json.dumps({"level": "error", "message": message}), file=sys.stderr)
    sys.exit(1)


def spec(request):
    unknown = set(request.get("config", {})) - {"table", "forgets"}
    if unknown:
        fail(f"unknown options: {sorted(unknown)}")
    say(spec={"protocol": 3032023, "configSchema": {"type": "object"}, "resourceConfigSchema": {"type": "object"},
              "documentationUrl": "https://example.com"})


def validate(request):
    bindings = []
    for binding in request["bindings"]:
        constraints = []
        for projection in binding["collection"]["projections"]:
            is_root = projection.get("ptr", "") == ""
            kind = "LOCATION_REQUIRED" if is_root else "LOCATION_RECOMMENDED"
            constraints.append({"field": projection["field"], "constraint": {"type": kind, "reason": "a table has it"}})
        bindings.append({"resourcePath": [binding["resourceConfig"]["table"]], "projectionConstraints": constraints})
    say(validated={"bindings": bindings})


class Session:
    def __init__(self, request):
        config = request["materialization"]["config"]
        self.forgets = config.get("forgets", False)
        self.begin = str(request["range"].get("keyBegin", 0))
        self.path = f"{config['table']}.{self.begin}"
        self.rows = {}
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.rows = json.load(file)
        self.staged = request.get("state", {}).get("staged", {}).get(self.begin) or {}
        self.asked = []
        self.stored = {}

    def key(self, request):
        # The old runtime packs keys in this codec, too.
        return request.get("keyPacked") or json.dumps(request["key"])

    def acknowledge(self):
        self.rows.update({key: json.loads(row) for key, row in self.staged.items()})
        with open(self.path + ".new", "w") as file:
            json.dump(self.rows, file)
        os.replace(self.path + ".new", self.path)
        self.staged = {}
        say(acknowledged={"state": {"updated": {"staged": {self.begin: None}}, "mergePatch": True}})

    def flush(self):
        for key in self.asked:
            if key in self.rows and not self.forgets:
                say(loaded={"doc": self.rows[key]})
        self.asked = []
        say(flushed={})

    def store(self, request):
        key = self.key(request)
        if request.get("exists", False) != (key in self.rows):
            fail(f"exists is {request.get('exists', False)} for {request}")
        # As text: a merge patch would take nulls away.
        self.stored[key] = json.dumps(request["doc"])

    def commit(self):
        self.staged, self.stored = self.stored, {}
        say(startedCommit={"state": {"updated": {"staged": {self.begin: self.staged}}, "mergePatch": True}})


def main():
    session = None
    for line in sys.stdin:
        (kind, request), = json.loads(line).items()
        if kind == "spec":
            spec(request)
        elif kind == "validate":
            validate(request)
        elif kind == "apply":
            say(applied={})
        elif kind == "open":
            session = Session(request)
            say(opened={})
        elif kind == "acknowledge":
            session.acknowledge()
        elif kind == "load":
            session.asked.append(session.key(request))
        elif kind == "flush":
            session.flush()
        elif kind == "store":
            session.store(request)
        elif kind == "startCommit":
            session.commit()
        else:
            fail(f"unknown request {kind}")


main()
