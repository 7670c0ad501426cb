"""What every host of the inventories beside this folder wants; groups and hosts override it."""

oakum_profile = "baseline"
oakum_max_disruption = "restart"
