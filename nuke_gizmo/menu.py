"""Puts CorridorKey into Nuke's menus; whatever is wrong with it, Nuke starts."""

import nuke

try:
    from corridorkey_nuke import menu_entries

    menu_entries.add(nuke)
except (Exception, SystemExit) as error:  # noqa: BLE001 - one that leaves this file ends Nuke
    said = " ".join(str(error).split())
    nuke.warning(f"CorridorKey is not in the menus: {said}; run `ckey install nuke` again.")
