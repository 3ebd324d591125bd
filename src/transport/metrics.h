/*
 * metrics.h - a survey as Prometheus' text format 0.0.4.
 */
#ifndef FY_TRANSPORT_METRICS_H
#define FY_TRANSPORT_METRICS_H

struct fy_survey;
struct fy_text;

void fy_metrics_print(const struct fy_survey *survey, struct fy_text *text);

#endif
