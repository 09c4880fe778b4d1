"""Workflows as tools of the Model Context Protocol (MCP): ``llama-agents-client mcp``.

Only `server` imports ``mcp``. What a host sees of a workflow (`tools`), of a question (`questions`)
and of a result (`results`), and the tokens that stand for a waiting run (`tokens`), do no I/O.
`call` follows the run of one call.
"""
