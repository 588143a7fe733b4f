"""Items as sums of the embeddings of their codes, or of the beginnings of their ids."""

import numpy as np
import torch

from models.networks.codes import CodedItems, beginnings

CODES = torch.tensor([[0, 0, 0], [0, 1, 0], [0, 1, 1], [1, 1, 0], [1, 0, 0]])  # row 0 is padding


def test_items_share_a_number_for_as_long_as_their_ids_begin_alike() -> None:
    numbers = beginnings(CODES).numpy()[1:]
    for i in range(len(numbers)):
        for j in range(len(numbers)):
            alike = [bool((CODES[1 + i, :n] == CODES[1 + j, :n]).all()) for n in (1, 2, 3)]
            assert (numbers[i] == numbers[j]).tolist() == alike
    assert [len(set(column)) for column in numbers.T] == [2, 3, 4]


def test_an_item_is_the_sum_of_its_beginnings_and_an_unplayed_one_that_of_the_shared_ones() -> None:
    torch.manual_seed(0)
    items, own, bias = CodedItems(CODES, 4, prefixes=True), torch.zeros(5, 4), torch.zeros(5)
    fresh, _ = items(own, bias)
    torch.testing.assert_close(fresh[1], fresh[2], msg="what tells them apart is nothing yet")
    assert not torch.equal(fresh[1], fresh[3]) and not fresh[0].any()
    with torch.no_grad():
        for table in items.tables:
            table.weight.add_(torch.randn_like(table.weight))
    found, _ = items(own, bias)
    numbers = beginnings(CODES).numpy()
    for item in range(1, 5):
        tables = [table.weight.detach().numpy() for table in items.tables]
        expected = np.sum([table[n] for table, n in zip(tables, numbers[item], strict=True)], axis=0)
        np.testing.assert_allclose(found[item].detach().numpy(), expected, rtol=1e-5)
    some, _ = items(own[:2], bias[:2], rows=torch.tensor([3, 0]))
    torch.testing.assert_close(some[0], found[3])
    assert not some[1].any()
