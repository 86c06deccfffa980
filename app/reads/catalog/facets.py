"""How many titles a list has, and how many each further filter would leave."""

import asyncio
from typing import Any

from app.reads.catalog.filters import FACETED, Clause, both
from app.reads.catalog.shapes import Facets, FacetValue, Summary
from documents.catalog import Book

AUTHORS_MAX = 20
SUBJECTS_MAX = 50
OTHERS_MAX = 100

Pipeline = list[dict[str, Any]]


def _counted(limit: int) -> Pipeline:
    return [
        {"$match": {"_id": {"$nin": [None, ""]}}},
        {"$sort": {"n": -1, "_id": 1}},
        {"$limit": limit},
    ]


SUBJECT_VALUE: Clause = {"$cond": [{"$eq": ["$subjects.code", ""]}, "$subjects.name", "$subjects.code"]}
SUBJECTS: Pipeline = [
    {"$project": {"subjects": 1}},
    {"$unwind": "$subjects"},
    {"$group": {"_id": SUBJECT_VALUE, "n": {"$sum": 1}, "name": {"$min": "$subjects.name"}}},
]
# Names that differ in their dots are one author: grouped by key, shown by name.
AUTHORS: Clause = {"$filter": {"input": "$contributors", "cond": {"$eq": ["$$this.role", "author"]}}}
AUTHOR_NAMES: Clause = {"$map": {"input": AUTHORS, "in": "$$this.name"}}
GROUPINGS: dict[str, Pipeline] = {
    "subject": [*SUBJECTS, *_counted(SUBJECTS_MAX)],
    "author": [
        {"$project": {"author": {"$zip": {"inputs": ["$search.authors", AUTHOR_NAMES]}}}},
        {"$unwind": "$author"},
        {
            "$group": {
                "_id": {"$first": "$author"},
                "n": {"$sum": 1},
                "shown": {"$min": {"$last": "$author"}},
            }
        },
        *_counted(AUTHORS_MAX),
    ],
    "language": [{"$group": {"_id": "$language", "n": {"$sum": 1}}}, *_counted(OTHERS_MAX)],
    "format": [{"$group": {"_id": "$format", "n": {"$sum": 1}}}, *_counted(OTHERS_MAX)],
    "available": [
        {"$group": {"_id": {"$and": ["$available", "$for_sale"]}, "n": {"$sum": 1}}},
        {"$sort": {"_id": -1}},
    ],
}


async def summary(clauses: dict[str, Clause]) -> Summary:
    """Total and facets of a list. Each is counted without the filter of its own name, so that others can be chosen."""
    total, grouped = await asyncio.gather(
        Book.get_pymongo_collection().count_documents(both(*clauses.values())),
        asyncio.gather(*(_group(name, clauses) for name in FACETED)),
    )
    return Summary(total, Facets(*grouped))


async def _group(name: str, clauses: dict[str, Clause]) -> list[FacetValue]:
    others = both(*(clause for each, clause in clauses.items() if each != name))
    match: Pipeline = [{"$match": others}] if others else []
    cursor = await Book.get_pymongo_collection().aggregate([*match, *GROUPINGS[name]])
    return [
        FacetValue(each.get("shown", each["_id"]), each["n"], each.get("name"))
        for each in await cursor.to_list()
    ]


async def subjects() -> list[dict[str, Any]]:
    """Every subject with `_id` (the value to filter by), `name`, `code` and `n`, most titles first."""
    pipeline: Pipeline = [
        {"$project": {"subjects": 1}},
        {"$unwind": "$subjects"},
        {
            "$group": {
                "_id": SUBJECT_VALUE,
                "n": {"$sum": 1},
                "name": {"$min": "$subjects.name"},
                "code": {"$min": "$subjects.code"},
            }
        },
        {"$sort": {"n": -1, "name": 1, "_id": 1}},
    ]
    return await (await Book.get_pymongo_collection().aggregate(pipeline)).to_list()
