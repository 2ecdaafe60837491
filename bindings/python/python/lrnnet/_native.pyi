from lrnnet import ArgumentError as ArgumentError
from lrnnet import ClassesError as ClassesError
from lrnnet import DeviceError as DeviceError
from lrnnet import Error as Error
from lrnnet import Exported as Exported
from lrnnet import ModelError as ModelError
from lrnnet import OutputError as OutputError
from lrnnet import PictureError as PictureError
from lrnnet import RunError as RunError
from lrnnet import Segmenter as Segmenter
from lrnnet import VerificationError as VerificationError
from lrnnet import WeightsError as WeightsError
from lrnnet import __version__ as __version__
from lrnnet import export as export
from lrnnet import read_picture as read_picture

__all__ = [
    "ArgumentError",
    "ClassesError",
    "DeviceError",
    "Error",
    "Exported",
    "ModelError",
    "OutputError",
    "PictureError",
    "RunError",
    "Segmenter",
    "VerificationError",
    "WeightsError",
    "__version__",
    "export",
    "export_program",
    "read_picture",
    "run_program",
]

def run_program(args: list[str]) -> int: ...
def export_program(args: list[str]) -> int: ...
