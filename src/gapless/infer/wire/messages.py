"""The messages of the Open Inference Protocol over gRPC, built from ``kserve.proto``.

In: ``messages.binpb``, the compiled protocol files beside this one (``make proto``). Out: message classes.
Invariants: they live in a pool of their own: a process may load tritonclient, which declares the same names, as well.
Thread: any (classes; a message belongs to one thread at a time).
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE: Final = "inference.GRPCInferenceService"
HEALTH_SERVICE: Final = "grpc.health.v1.Health"

_compiled = descriptor_pb2.FileDescriptorSet.FromString(
    files(__package__).joinpath("messages.binpb").read_bytes()
)
_pool = descriptor_pool.DescriptorPool()
for _file in _compiled.file:
    _pool.Add(_file)


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(name))


ServerLiveRequest = _message("inference.ServerLiveRequest")
ServerLiveResponse = _message("inference.ServerLiveResponse")
ServerReadyRequest = _message("inference.ServerReadyRequest")
ServerReadyResponse = _message("inference.ServerReadyResponse")
ModelReadyRequest = _message("inference.ModelReadyRequest")
ModelReadyResponse = _message("inference.ModelReadyResponse")
ServerMetadataRequest = _message("inference.ServerMetadataRequest")
ServerMetadataResponse = _message("inference.ServerMetadataResponse")
ModelMetadataRequest = _message("inference.ModelMetadataRequest")
ModelMetadataResponse = _message("inference.ModelMetadataResponse")
ModelInferRequest = _message("inference.ModelInferRequest")
ModelInferResponse = _message("inference.ModelInferResponse")
ModelStreamInferResponse = _message("inference.ModelStreamInferResponse")
ModelConfig = _message("inference.ModelConfig")
ModelConfigRequest = _message("inference.ModelConfigRequest")
ModelConfigResponse = _message("inference.ModelConfigResponse")
ModelStatisticsRequest = _message("inference.ModelStatisticsRequest")
ModelStatisticsResponse = _message("inference.ModelStatisticsResponse")
RepositoryIndexRequest = _message("inference.RepositoryIndexRequest")
RepositoryIndexResponse = _message("inference.RepositoryIndexResponse")
RepositoryModelLoadRequest = _message("inference.RepositoryModelLoadRequest")
RepositoryModelLoadResponse = _message("inference.RepositoryModelLoadResponse")
RepositoryModelUnloadRequest = _message("inference.RepositoryModelUnloadRequest")
RepositoryModelUnloadResponse = _message("inference.RepositoryModelUnloadResponse")
HealthCheckRequest = _message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = _message("grpc.health.v1.HealthCheckResponse")
