"""Stand-ins for AWS under a real Pulumi engine and real boto3: what `up` does can be shown without an account.

They refuse what AWS refuses, replace what AWS replaces, and remember what exists. How a test uses them:

    from tests.providers.cloud import StandInCloud          # starts nothing until a command runs
    cloud = StandInCloud(tmp_path)                          # an empty account with an engine home, a backend, scripts
                                                            # checkpoints=True where a test kills the engine
    stack = cloud.stack(program, "dev", config={"standin:key": "value"})
    ran = stack.up()                                        # preview, up, refresh, destroy; a failure is ran.ok == False
    ran.output, ran.steps, ran.changed, ran.replaced_by, ran.outputs, ran.seconds
    stack.stored()                                          # all that the engine wrote, for a search for canaries
    cloud.operations("update", "aws:ec2/instance:Instance") # the log: name, id, began, ended, changed, error; overlaps()
    cloud.left(), cloud.scheduled()                         # what exists; what is deleted but waits (keys, secrets)
    cloud.unlisted()                                        # types and inputs without a line in the data files
    cloud.state.all(TYPE), .get(TYPE, id), .put(Resource), .change(TYPE, id, output=value), .remove(TYPE, id)   # drift
    cloud.image(architecture), cloud.publish(parameter)     # an AMI to name; a newer one behind an SSM parameter
    cloud.state.advance(days=310)                           # certificates age
    cloud.fail("create", nth=7)                             # also type=, urn=, how="before|after|lost", message=
    cloud.fail("deploy")                                    # an ECS rollout that its circuit breaker rolls back

    from tests.providers.control_plane import control_plane
    with control_plane(cloud.state) as aws:                 # boto3's side of the same cloud: AWS_ENDPOINT_URL
        os.environ.update(aws.environment)
        aws.on_command = lambda instance, document, parameters: ("Success", "ready")
        aws.on_task = lambda asked: 0
        aws.calls, aws.called("StartSession")

`cloud.environment` is what any process needs to see this cloud through the engine: STANDIN_CLOUD (the folder that all
share; layout in standin/cloud.py), PATH with scripts pulumi-resource-{aws,kubernetes,random,tls}, PULUMI_HOME, the backend and the
passphrase. A driver of its own (infra.automation) merges it over its environment. The account is 111122223333, the region
eu-central-1 unless aws:region says otherwise. `tests.providers.direct.Direct` asks the aws provider without an engine.

What is data: data/replacements.yaml (what replaces: measured, assumed), references.yaml (what names what, what blocks a
deletion), names.yaml, enums.yaml, outputs.yaml, moving.yaml, msk.yaml, load_balancing.yaml, iam.yaml. What is code:
standin/rules/, a module a service; api/, the operations that boto3 may call. A type without lines works from the SDK's types
alone and shows up in `unlisted()`; an invoke or an operation that nobody wrote is refused.

The kubernetes stand-in is a cluster beside it: an API server that judges by Kubernetes' own code (tests/kubernetes_models, whose
program the test names in the cloud's folder) and refuses what would never run (standin/kubernetes_references.py). What its owner
brings (a Secret, a namespace) a test puts there: tests/engine/kubernetes_world.py.

Like pulumi-aws, the aws stand-in asks the engine for no secrets: the engine marks outputs as secret by the secret inputs of
the same name, and by nothing else. It compares inputs with what AWS said last, so a rolled-back service shows as a change.
"""
