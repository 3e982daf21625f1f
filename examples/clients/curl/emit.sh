#!/bin/sh
# Sends usage events to Taximeter's API with curl: one, then a batch.
#
#   TAXIMETER_URL=http://127.0.0.1:8470 TAXIMETER_API_TOKEN=… sh emit.sh
#
# Every language can send the same: docs/events/UsageRecorded.v1.schema.json.
set -eu
url="${TAXIMETER_URL:-http://127.0.0.1:8470}"

# The id of a call's event, made of the provider's own id of its answer: the same after a
# restart, and the same that Taximeter's other integrations give the call. A UUIDv5.
event_id() { # provider, response id
    hash=$({
        printf '\177\154\032\122\074\016\136\013\232\125\164\301\326\366\250\361'
        printf 'response\037%s\037%s\0370' "$1" "$2"
    } | sha1sum)
    variant=$(printf %s "$hash" | cut -c17 | tr 0123456789abcdef 89ab89ab89ab89ab)
    printf '%s-%s-5%s-%s%s-%s' \
        "$(printf %s "$hash" | cut -c1-8)" "$(printf %s "$hash" | cut -c9-12)" \
        "$(printf %s "$hash" | cut -c14-16)" "$variant" \
        "$(printf %s "$hash" | cut -c18-20)" "$(printf %s "$hash" | cut -c21-32)"
}

# A token stands in exactly one bucket: cached ones are not input, reasoning is not text.
recorded() { # response id, user
    cat <<EVENT
{"event_id": "$(event_id openai "$1")", "occurred_at": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
 "source": "curl-example", "provider": "openai", "model": "gpt-4o-mini",
 "usage": {"text_input_tokens": 400, "cache_read_tokens": 800,
           "text_output_tokens": 230, "reasoning_output_tokens": 120},
 "user_id": "$2", "project_id": "search", "response_id": "$1"}
EVENT
}

# curl waits as long as Retry-After says after a 429 or 503, and sends the same again:
# events count once, however often they come. It fails when some were refused outright.
send() {
    curl --silent --show-error --fail-with-body \
        --retry 20 --retry-max-time 120 --retry-connrefused \
        --header 'Content-Type: application/json' \
        ${TAXIMETER_API_TOKEN:+--header "Authorization: Bearer $TAXIMETER_API_TOKEN"} \
        --data-binary @- "$url/v1/events"
    echo
}

recorded chatcmpl-example-0001 alice | send
{
    echo '['
    recorded chatcmpl-example-0002 bob
    echo ','
    recorded chatcmpl-example-0003 bob
    echo ']'
} | send
