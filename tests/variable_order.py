"""Order of the accesses to variables in the graph that TensorFlow runs, after all its rewriting.

A `tf.function` orders reads of a variable and assignments to it as the program has them. What then rewrites the graph
may lose such an order, and a step computes one thing or another, as its threads happen to run: seldom, and not on every
machine. In the graph it shows every time.
"""

import collections

from tensorflow.core.framework import types_pb2
from tensorflow.python.eager import context

_READS = ("ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp")


def executed_graphs():
    """Returns a context manager that collects what runs in it.

    Its value is a list, filled at the end: the `GraphDef` of every function that was called for the first time, as the
    rewriting left it.
    """
    return context.collect_graphs(optimized=True)


def unordered(graphs):
    """Finds two accesses to one variable of which at least one assigns, and neither waits for the other.

    Args:
        graphs: list of `GraphDef`.

    Returns:
        List of (variable, first node, second node), names all.
    """
    found = []
    for graph in graphs:
        library = {function.signature.name: function for function in graph.library.function}
        found += _Body(graph.node, [], library).unordered()
        for function in library.values():
            found += _function_body(function, library).unordered()
    return found


def _function_body(function, library):
    handles = [arg.name for arg in function.signature.input_arg if arg.type == types_pb2.DT_RESOURCE]
    return _Body(function.node_def, handles, library)


class _Body:
    """The nodes of a graph or function; `accesses` is the list of (node, handle, whether it assigns) in order."""

    def __init__(self, nodes, handles, library):
        self._library = library
        nodes = {node.name: node for node in nodes}
        # An input is "node:output", in functions "node:name:output"; "^node" only waits for it.
        self._inputs = {
            name: [(text.lstrip("^").partition(":")[0], text.startswith("^")) for text in node.input]
            for name, node in nodes.items()
        }
        self._order = self._sorted()
        self._origin = {name: name for name in handles}
        self.accesses = []
        for name in self._order:
            self._visit(nodes[name])

    def _sorted(self):
        """Returns the names of all nodes, each after its inputs."""
        order, visited = [], set()
        for start in self._inputs:
            stack = [(start, False)]
            while stack:
                name, done = stack.pop()
                if done:
                    order.append(name)
                elif name not in visited and name in self._inputs:
                    visited.add(name)
                    stack.append((name, True))
                    stack += [(source, False) for source, _ in self._inputs[name]]
        return order

    def _visit(self, node):
        sources = [source for source, waits_only in self._inputs[node.name] if not waits_only]
        if node.op == "VarHandleOp" or (
            node.op in ("_Arg", "Placeholder")
            and types_pb2.DT_RESOURCE in (node.attr["T"].type, node.attr["dtype"].type)
        ):
            self._origin[node.name] = node.name
        elif node.op == "Identity":
            if sources[0] in self._origin:
                self._origin[node.name] = self._origin[sources[0]]
        else:
            assigns = {}
            for index, source in enumerate(sources):
                if source in self._origin:
                    handle = self._origin[source]
                    assigns[handle] = assigns.get(handle, False) or self._assigns(node, index)
            self.accesses += [(node.name, handle, assigns[handle]) for handle in assigns]

    def _assigns(self, node, index):
        """Whether a node may change the variable that is its input `index`; for a call, whether its function does."""
        functions = [attr.func.name for attr in node.attr.values() if attr.WhichOneof("value") == "func"]
        functions += [node.op] if node.op in self._library else []
        if len(functions) != 1 or len(node.attr["Tin"].list.type) != len(
            self._library[functions[0]].signature.input_arg
        ):
            return node.op not in _READS
        function = self._library[functions[0]]
        argument = function.signature.input_arg[index].name
        body = _function_body(function, self._library)
        return any(assigns for _, handle, assigns in body.accesses if handle == argument)

    def unordered(self):
        bits = {name: 1 << i for i, name in enumerate({name: None for name, _, _ in self.accesses})}
        before = {}  # The accesses that a node waits for, as bits of one number.
        for name in self._order:
            before[name] = 0
            for source, _ in self._inputs[name]:
                before[name] |= before.get(source, 0) | bits.get(source, 0)
        of_handle = collections.defaultdict(list)
        for name, handle, assigns in self.accesses:
            of_handle[handle].append((name, assigns))
        return [
            (handle, first, second)
            for handle, accesses in of_handle.items()
            for i, (second, second_assigns) in enumerate(accesses)
            for first, first_assigns in accesses[:i]
            # A later node of the sorted ones is never waited for by an earlier one.
            if (first_assigns or second_assigns) and not before[second] & bits[first]
        ]
