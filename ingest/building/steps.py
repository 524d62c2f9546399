"""Steps of building a circuit: each is computed once for its inputs, parameters and version, and kept with its origin.

A step's results have names of their own in the lake. Each says in its attribute ``derived`` what it was made of, as every
derived result does; so a step whose results are there is not computed again, whichever branch they are on, and
`neurolake lineage` shows the whole chain. While a circuit is built its steps are committed to a branch of their own: a build
that is stopped goes on from there, and no reader sees half a circuit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.kinds import ArrayKind, TableKind
from ...lake import Lake, Transaction
from ...lake.data.tables import Table
from ...lake.digest import digest_of, plain_json
from ...lake.errors import ConflictError, InputError, NotFoundError
from ...lake.nodes.content import DERIVED, content
from ...lake.nodes.derived import Origin, is_part, origin
from ...lake.nodes.entries import Entries
from ...lake.nodes.entry import Entry
from ...lake.nodes.fields import fields_of
from ...lake.nodes.node import Node
from ...lake.objects.store import ObjectStore
from ...lake.storage.base import Storage


class Output(NamedTuple):
    """A node that a step makes: what it is, and its name."""

    kind: TableKind | ArrayKind
    node: str


@dataclass(frozen=True)
class Step:
    """What a step is known by.

    Parameters
    ----------
    name
        Of the kernel in the origin of its results, such as ``network.synapses``.
    version
        A text that is changed whenever the results change.
    """

    name: str
    version: str


class Outcome(NamedTuple):
    """What became of a step: ``"computed"``, ``"found"`` or ``"unchanged"``, and how many rows its tables have together."""

    state: str
    rows: int


@dataclass(frozen=True)
class StepReport:
    """What became of a step.

    Parameters
    ----------
    step
        Its name, and what it is about: ``synapses of PYR``.
    state
        ``"computed"``; ``"found"`` on another branch, or under another name; or ``"unchanged"``.
    rows
        Rows of its tables together.
    seconds
        How long it took.
    """

    step: str
    state: str
    rows: int
    seconds: float


def table_of(kind: TableKind, columns: Mapping[str, Any], more: Sequence[pa.Field] = ()) -> pa.Table:
    """Return columns as a table of a kind, with its types and documentation.

    Parameters
    ----------
    kind
        The kind of table.
    columns
        Values by column, all of one length.
    more
        Columns that the kind does not have.
    """
    own = {field.name: field for field in more}
    fields = [own[name] if name in own else kind.schema.field(name) for name in columns]
    fields = [field.with_type(pa.float32()) if field.name in kind.single else field for field in fields]
    arrays = [
        pa.array(values, field.type) if not isinstance(values, pa.Array) else values.cast(field.type)
        for values, field in zip(columns.values(), fields, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def files_as_table(name: str, table: Table, objects: ObjectStore) -> Table:
    """Return a table that pickles.

    Parameters
    ----------
    name
        Name of the table.
    table
        The table as a transaction has it.
    objects
        Reads the lake's objects.
    """
    meta = {"fields": table.fields, "sorted_by": table.sorted_by}
    return Table(name, Node("table", meta, Entries(overlay=dict(enumerate(table.files)))), objects)


class Parts:
    """What writes the results of one step.

    Parameters
    ----------
    transaction
        What they are written into.
    outputs
        Kind and name of each part's node.
    origins
        The origin of each part.
    objects
        The lake's.
    """

    def __init__(
        self,
        transaction: Transaction,
        outputs: Mapping[str, Output],
        origins: Mapping[str, Origin],
        objects: ObjectStore,
    ) -> None:
        self._transaction = transaction
        self._outputs = outputs
        self._origins = origins
        self._objects = objects

    @property
    def storage(self) -> Storage:
        """The lake's storage, for workers that write files."""
        return self._objects.storage

    def write(self, part: str, table: pa.Table, attributes: Mapping[str, Any] | None = None) -> None:
        """Write a part's table.

        Parameters
        ----------
        part
            Name of the part.
        table
            The rows.
        attributes
            More attributes of the table.
        """
        kind, node = self._table_output(part)
        self._transaction.write_table(
            node, table, doc=kind.doc, sorted_by=kind.sorted_by, attributes=self._attributes(part, attributes)
        )

    def write_array(
        self, part: str, values: NDArray[Any], attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Write a part's array.

        Parameters
        ----------
        part
            Name of the part.
        values
            The array.
        attributes
            More attributes of the array.
        """
        kind, node = self._outputs[part]
        assert isinstance(kind, ArrayKind), "a step says what its parts are"
        told = {"long_name": kind.doc, **({"units": kind.unit} if kind.unit else {}), **(attributes or {})}
        self._transaction.write_array(
            node, values, dimension_names=kind.axes, attributes=self._attributes(part, told)
        )

    def _table_output(self, part: str) -> tuple[TableKind, str]:
        kind, node = self._outputs[part]
        assert isinstance(kind, TableKind), "a step says what its parts are"
        return kind, node

    def write_files(
        self,
        part: str,
        schema: pa.Schema,
        files: Sequence[Entry],
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a part's table from Parquet files that are in the lake's storage already.

        Parameters
        ----------
        part
            Name of the part.
        schema
            Arrow schema of the rows.
        files
            Entries of the files, in order.
        attributes
            More attributes of the table.
        """
        kind, node = self._table_output(part)
        if not files:
            self.write(part, schema.empty_table(), attributes)
            return
        if node in self._transaction.drafts:
            self._transaction.delete(node)
        self._transaction.append_files(
            node,
            files,
            fields_of(schema),
            doc=kind.doc,
            sorted_by=kind.sorted_by,
            attributes=self._attributes(part, attributes),
        )

    def written(self, part: str) -> Table:
        """Return a part that has been written, for other processes too.

        Parameters
        ----------
        part
            Name of the part.
        """
        node = self._outputs[part].node
        table = self._transaction.table(node)
        assert table is not None, "written before"
        self._transaction.writer.flush()
        return files_as_table(node, table, self._objects)

    def _attributes(self, part: str, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        return {**(attributes or {}), DERIVED: self._origins[part].to_json()}


class Build:
    """A circuit under construction.

    Parameters
    ----------
    lake, branch
        Where it goes.
    name
        Of the circuit.
    by
        The function or command that builds it, for the origin of its results.
    """

    def __init__(self, lake: Lake, branch: str, name: str, by: str) -> None:
        self._lake = lake
        self._branch = branch
        self._by = by
        self.scratch = f"build-{branch}-{digest_of(name.encode())[:12]}"
        start = lake.at(branch)
        self._objects = start.objects
        self._before: dict[str, Node] = dict(start.tree)
        self.tree: dict[str, Node] = dict(start.tree)
        self.made: dict[str, Node] = {}

    def table(self, node: str) -> Table:
        """Return a table as the steps so far have left it.

        Parameters
        ----------
        node
            Name of the node.

        Raises
        ------
        NotFoundError
            There is none of that name.
        """
        return Table(node, self._required(node, "table"), self._objects)

    def array(self, node: str) -> NDArray[Any]:
        """Return the values of an array as the steps so far have left it.

        Parameters
        ----------
        node
            Name of the node.

        Raises
        ------
        NotFoundError
            There is none of that name.
        """
        from ...lake.data.arrays import Array
        from ...lake.data.zarrstore import ZarrStore

        self._required(node, "array")
        values: NDArray[Any] = Array.of(ZarrStore(self._objects, self.tree), node)[...]
        return values

    def attributes(self, node: str) -> dict[str, Any]:
        """Return the attributes of a node as the steps so far have left it.

        Parameters
        ----------
        node
            Name of the node.

        Raises
        ------
        NotFoundError
            There is none of that name.
        """
        if node not in self.tree:
            raise NotFoundError(f"there is no {node!r}: the step that makes it has not been built")
        return dict(self.tree[node].meta.get("attributes") or {})

    def _required(self, node: str, kind: str) -> Node:
        found = self.tree.get(node)
        if found is None or found.kind != kind:
            raise NotFoundError(f"there is no {kind} {node!r}: the step that makes it has not been built")
        return found

    def shared(self, node: str) -> Table:
        """Return a table for other processes: it knows its files without the tree.

        Parameters
        ----------
        node
            Name of the node.

        Raises
        ------
        NotFoundError
            There is none of that name.
        """
        return files_as_table(node, self.table(node), self._objects)

    def run(
        self,
        step: Step,
        outputs: Mapping[str, Output],
        make: Callable[[Parts], None],
        *,
        inputs: Mapping[str, str],
        params: Mapping[str, Any],
    ) -> Outcome:
        """Store the results of a step: existing ones, those of another branch or circuit, or new ones.

        Parameters
        ----------
        step
            Name of the step, and its kernel.
        outputs
            The node of each part of the result.
        make
            Writes all parts. It reads nothing but the inputs, and its result follows from them and from *params*.
        inputs
            Node of each input, by what it is to the step.
        params
            What else decides the result: plain values.

        Returns
        -------
        ``"unchanged"``, where the results are there; ``"found"``, where another branch or circuit has them; or
        ``"computed"``.

        Raises
        ------
        NotFoundError
            An input is not there.
        ConflictError
            Another process builds the same circuit.
        """
        for node in inputs.values():
            self.attributes(node)
        origins = self._origins(step, outputs, inputs, params)
        state, nodes = "unchanged", self._standing(self.tree, outputs, origins)
        if nodes is None:
            state, nodes = "found", self._elsewhere(outputs, origins)
        if nodes is None:
            state, nodes = "computed", self._computed(step, outputs, origins, make)
        self.made.update(nodes)
        self.tree.update(nodes)
        # An index has the rows of what it leads to.
        counted = [
            node
            for kind, node in outputs.values()
            if isinstance(kind, TableKind) and kind is not circuits.BY_SOURCE
        ]
        return Outcome(state, sum(self.table(node).rows for node in counted))

    def finish(
        self,
        message: str,
        notes: Mapping[str, Any],
        belongs: Callable[[str], bool],
        describe: Callable[[Transaction], None],
    ) -> str | None:
        """Commit what was built to the branch, in one commit, and remove the branch that was built on.

        Parameters
        ----------
        message, notes
            Of the commit.
        belongs
            Whether a node that a step made belongs to the circuit: one that no step makes any more is removed. What steps of
            another family made, such as ``contacts.touches`` beside ``network.nodes``, is left.
        describe
            Writes what else the commit has to say.

        Returns
        -------
        Id of the commit; None if nothing is new.
        """
        gone = [
            node
            for node, was in self._before.items()
            if belongs(node) and is_part(was) and node not in self.made and self._is_ours(node)
        ]
        changed = {
            node: now
            for node, now in self.made.items()
            if node not in self._before or self._before[node].digest != now.digest
        }
        transaction = self._lake.transaction(message, branch=self._branch, notes={"build": dict(notes)})
        transaction.depends_on(*self.made, *gone)
        transaction.drafts.apply({**dict.fromkeys(gone), **changed})
        describe(transaction)
        committed = transaction.commit()
        self._remove_scratch()
        return None if committed is None else committed.id

    def _is_ours(self, node: str) -> bool:
        """Whether a node was made by a step of those families that this build has steps of."""
        made = {
            said.kernel.partition(".")[0]
            for name in self.made
            if (said := origin(self.tree, name)) is not None
        }
        said = origin(self._before, node)
        return said is not None and said.kernel.partition(".")[0] in made

    def _remove_scratch(self) -> None:
        if self.scratch in self._lake.branches:
            self._lake.branches.delete(self.scratch)

    def _origins(
        self, step: Step, outputs: Mapping[str, Output], inputs: Mapping[str, str], params: Mapping[str, Any]
    ) -> dict[str, Origin]:
        made = Origin(
            kernel=step.name,
            version=step.version,
            code=None,
            function=self._by,
            whole=False,
            arguments=dict(inputs),
            inputs={node: content(self.tree, node) for node in sorted(set(inputs.values()))},
            params=plain_json(dict(params), "parameters"),
            commit="",
        )
        return {part: replace(made, part=part) for part in outputs}

    @staticmethod
    def _standing(
        tree: Mapping[str, Node], outputs: Mapping[str, Output], origins: Mapping[str, Origin]
    ) -> dict[str, Node] | None:
        """The nodes of the outputs, if they are the results wanted."""
        for part, output in outputs.items():
            said = origin(tree, output.node)
            if said is None or (said.key, said.part) != (origins[part].key, part):
                return None
        return {output.node: tree[output.node] for output in outputs.values()}

    def _elsewhere(
        self, outputs: Mapping[str, Output], origins: Mapping[str, Origin]
    ) -> dict[str, Node] | None:
        """The results wanted as some branch holds them, under whichever name; with their origin told anew."""
        wanted = {(origins[part].key, part): output.node for part, output in outputs.items()}
        kernel = next(iter(origins.values())).kernel
        found: dict[str, Node] = {}
        for tree in self._trees():
            for name, node in tree.items():
                said = origin(tree, name) if is_part(node) else None
                if said is None or said.kernel != kernel or said.part is None:
                    continue
                place = wanted.get((said.key, said.part))
                if place is not None:
                    found.setdefault(place, self._told(node, origins[said.part]))
            if len(found) == len(wanted):
                return found
        return None

    @staticmethod
    def _told(node: Node, made: Origin) -> Node:
        attributes = {**node.meta["attributes"], DERIVED: made.to_json()}
        return replace(node, meta={**node.meta, "attributes": attributes})

    def _trees(self) -> Iterator[Mapping[str, Node]]:
        yield self.tree
        for record in self._lake.branches.values():
            yield self._lake.pinned(record.reference).tree

    def _computed(
        self,
        step: Step,
        outputs: Mapping[str, Output],
        origins: Mapping[str, Origin],
        make: Callable[[Parts], None],
    ) -> dict[str, Node]:
        if self.scratch not in self._lake.branches:
            self._lake.branches.create(self.scratch, self._branch)
        transaction = self._lake.transaction(f"Build {step.name}", branch=self.scratch)
        nodes = [output.node for output in outputs.values()]
        transaction.depends_on(*nodes)
        make(Parts(transaction, outputs, origins, self._objects))
        try:
            transaction.commit()
        except (ConflictError, NotFoundError) as error:
            raise ConflictError(
                f"another process builds the same circuit on branch {self.scratch!r}: wait for it, and build again"
            ) from error
        if missing := [node for node in nodes if node not in transaction.drafts]:
            raise InputError(f"the step {step.name} made no {missing[0]!r}")
        return {node: transaction.drafts[node] for node in nodes}
