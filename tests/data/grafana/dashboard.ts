import type { AnnotationQuery, Dashboard, Panel, RowPanel, FieldConfig, FieldConfigSource } from '@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type { TimeSeriesPanelOptions as TimeSeriesOptions, TimeSeriesFieldConfig as TimeSeriesField } from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';
import type { StatPanelOptions as StatOptions } from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';

/** What the Prometheus data source is asked. */
export interface Query {
  refId: string;
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  range?: boolean;
}
interface Fields<Custom> extends Omit<FieldConfigSource, 'defaults'> {
  defaults: Omit<FieldConfig, 'custom'> & { custom?: Custom };
}
type Of<Type extends string, Options, Custom> = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Type;
  options: Options;
  fieldConfig: Fields<Custom>;
  targets: Query[];
};
export type TimeSeries = Of<'timeseries', TimeSeriesOptions, TimeSeriesField>;
export type Stat = Of<'stat', StatOptions, Record<string, never>>;
/** An annotation of the Prometheus data source. */
type Annotation = Omit<AnnotationQuery, 'target' | 'filter'> & { expr: string; titleFormat?: string };
export type Root = Omit<Dashboard, 'panels' | 'annotations'> & {
  annotations?: { list: Annotation[] };
  panels: Array<TimeSeries | Stat | RowPanel>;
};
