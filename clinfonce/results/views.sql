-- Views over the tables trials, epochs and clusterings. `select * from best`, and so on.

-- The trial of each sweep that validation likes best; test accuracies played no part in the choice.
create view best as
with chosen as (
    select
        *,
        coalesce(
            nullif(val_linear_top1_5, 'nan'::double),
            nullif(val_linear_top1_all, 'nan'::double),
            nullif(val_knn_top1_all, 'nan'::double),
            nullif(val_knn, 'nan'::double)
        ) as validation
    from trials
    where status = 'complete'
)
select * from chosen
where validation is not null
qualify row_number() over (partition by sweep order by validation desc, number, trial_id) = 1
order by sweep;

-- One row per clustering in a sweep: mean and sample standard deviation (_std) of every top-1
-- accuracy over its complete trials.
create view by_clustering as
with averaged as (
    select
        sweep, clustering_id, objective, source,
        any_value(clustering order by number) as clustering,
        count(*) as trials,
        count(distinct seed) as seeds,
        sum(seconds) as seconds,
        -- DuckDB holds that NaN equals NaN, so nullif leaves NaN out of the means.
        avg(nullif(columns('^(val|test)_(linear|knn)_top1_(1|5|10|all)$'), 'nan'::double)) as '\0',
        stddev_samp(nullif(columns('^(val|test)_(linear|knn)_top1_(1|5|10|all)$'), 'nan'::double))
            as '\0_std'
    from trials
    where status = 'complete'
    group by sweep, clustering_id, objective, source
)
select
    a.sweep, a.clustering, a.source, a.objective, a.trials, a.seeds,
    c.n_clusters, c.i_zt, c.i_zt_chance, c.i_zt_excess, c.h_z_given_t, c.h_z, c.ami,
    a.* exclude (sweep, clustering, source, objective, trials, seeds)
from averaged a left join clusterings c using (clustering_id)
order by a.sweep, a.test_linear_top1_5 desc nulls last, a.clustering;

-- One row per trial and attribute of its sweep; included says whether its clustering uses it.
create view attributes as
with offered as (
    select distinct sweep, unnest(attributes) as attribute from trials where source = 'attributes'
)
select
    t.trial_id, t.sweep, o.attribute, list_contains(t.attributes, o.attribute) as included,
    t.status, t.seed, t.clustering_id, t.val_knn, t.val_linear_top1_5, t.test_linear_top1_5,
    t.test_linear_top1_all
from trials t join offered o using (sweep)
where t.source = 'attributes'
order by t.sweep, t.number, t.trial_id, o.attribute;
