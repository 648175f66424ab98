"""The history of goals: every version that the warehouse has seen, in ``control.goal_versions``, for good.

Belongs here: telling versions from the images in ``raw``, and keeping them. Does not belong here: which version
is in effect when (``int_scheduling__goal_versions``).

An application keeps a goal's current row only, and raw's before-images go with retention; what a goal aimed at
last spring is known to this table alone. It is written before the facts that read it. A crash in between
changes nothing: images stay in raw until they are recorded, and what is recorded is not recorded again.
"""

from warehouse.database import Connection

RECORD = """
with recorded as (

    select distinct on (goal_id) goal_id, version, target_value, is_active, updated_at, batch_id
    from control.goal_versions
    order by goal_id, version desc

),

-- An image that was replaced or deleted came with the change before that one.
images as (

    select
        goal_id, target_value, is_active, updated_at, _batch_id as replaced_by,
        coalesce(lag(_batch_id) over (partition by goal_id order by _batch_id), 0) as batch_id
    from raw.scheduling__goals__changes
    union all
    select goal_id, target_value, is_active, updated_at, null, _batch_id
    from raw.scheduling__goals

),

seen as (

    select goal_id, target_value, is_active, updated_at, replaced_by, batch_id, null::integer as version
    from images
    -- A row that was inserted replaces no image.
    where target_value is not null and batch_id > coalesce(
        (select recorded.batch_id from recorded where recorded.goal_id = images.goal_id), -1
    )
    union all
    select goal_id, target_value, is_active, updated_at, -1, batch_id, version
    from recorded

),

compared as (

    select
        *,
        first_value(version) over by_order as last_version,
        (target_value, is_active, updated_at) is distinct from (
            lag(target_value) over by_order, lag(is_active) over by_order, lag(updated_at) over by_order
        ) as is_new
    from seen
    window by_order as (partition by goal_id order by replaced_by nulls last)

)

insert into control.goal_versions (goal_id, version, target_value, is_active, updated_at, batch_id)
select
    goal_id,
    coalesce(last_version, 0) + row_number() over (partition by goal_id order by replaced_by nulls last),
    target_value, is_active, updated_at, batch_id
from compared
where version is null and is_new
"""


def record(warehouse: Connection) -> int:
    """Append the versions that raw has and the history has not, in the order of the batches that brought them.

    One transaction. A version is what differs from the one before it in target, activity or updated_at: two
    that are equal in all three have the effect of one.

    Returns:
        Number of versions recorded.
    """
    with warehouse.transaction():
        return warehouse.execute(RECORD).rowcount
