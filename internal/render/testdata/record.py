#!/usr/bin/python3
"""Records what cliff prints for the cases of cases.json into cliff.json.

Run with Debian's python3-cliff and python3-osc-lib installed:
    python3 record.py cases.json cliff.json
Recorded with cliff 4.0.0, prettytable 3.6.0, PyYAML 6.0 and Python 3.11.
"""

import argparse
import csv
import io
import json
import sys

from cliff.formatters import commaseparated, json_format, shell, table, value, yaml_format
from osc_lib.cli import format_columns

FORMATTERS = {
    'table': table.TableFormatter,
    'json': json_format.JSONFormatter,
    'yaml': yaml_format.YAMLFormatter,
    'value': value.ValueFormatter,
    'shell': shell.ShellFormatter,
    'csv': commaseparated.CSVLister,
}


def cell(v):
    if isinstance(v, dict):
        return format_columns.DictColumn(v)
    if isinstance(v, list):
        return format_columns.ListColumn(v)
    return v


def emit(case):
    options = argparse.Namespace(
        noindent=case.get('noindent', False),
        prefix=case.get('prefix', ''),
        variables=[],
        quote_mode=case.get('quote', 'nonnumeric'),
        max_width=case.get('max_width', 0),
        fit_width=False,
        print_empty=case.get('print_empty', False),
    )
    out = io.StringIO()
    formatter = FORMATTERS[case['format']]()
    if 'record' in case:
        names = [name for name, _ in case['record']]
        values = [cell(v) for _, v in case['record']]
        if case['format'] == 'csv':
            formatter.emit_list(names, [values], out, options)
        else:
            formatter.emit_one(names, values, out, options)
    else:
        rows = [[cell(v) for v in row] for row in case['rows']]
        formatter.emit_list(case['names'], rows, out, options)
    return out.getvalue()


with open(sys.argv[1], encoding='utf-8') as f:
    document = json.load(f)
recorded = {}
for data_name, data in document['data'].items():
    for case_name, case in document['cases'].items():
        if case['format'] == 'shell' and 'rows' in data:
            continue
        try:
            recorded[data_name + ' ' + case_name] = emit({**data, **case})
        except csv.Error:  # one empty field without quotes
            continue
with open(sys.argv[2], 'w', encoding='utf-8') as f:
    json.dump(recorded, f, indent=1, sort_keys=True)
    f.write('\n')
