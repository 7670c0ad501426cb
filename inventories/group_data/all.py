oakum_profile = "baseline"
oakum_max_disruption = "restart"
