"""An id as the last part of a path: any text, with slashes and newlines in it."""

from starlette.convertors import Convertor, register_url_convertor


class IdConvertor(Convertor[str]):
    """Unlike `path`, it takes newlines too: an id that ends with one must not lose it."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", IdConvertor())
USER_PATH = "/users/{user_id:id}"
ITEM_PATH = "/items/{item_id:id}"
SIMILAR_PATH = "/similar/{item_id:id}"
