<?php
// Receives Ringback's events: verifies each, stores it once, answers, and works on it afterwards.
//
//     WEBHOOK_SECRETS="whsec_…" WEBHOOK_INBOX=inbox php -S 127.0.0.1:9000 receiver.php    # receives, as under php-fpm
//     WEBHOOK_INBOX=inbox php receiver.php                                                # works: a service of its own
//
// The inbox is a folder. Each event is a file, with its webhook-id for a name, which waits in `waiting` and ends in
// `done`. Once a day: find inbox/done inbox/drafts -mtime +30 -delete
// PHP 8.1 or newer.
declare(strict_types=1);

const TOLERANCE_SECONDS = 300;
const MAX_BODY_BYTES = 65_536; // an event is below 20 kB
const LOOK_AGAIN_MICROSECONDS = 200_000;
const RETRY_MICROSECONDS = 5_000_000; // before an event whose work failed is worked on again
define('INBOX', getenv('WEBHOOK_INBOX') ?: 'inbox');

// A warning that is printed would be answered with 200, and the event be lost: each is an exception instead.
ini_set('display_errors', '0');
set_error_handler(fn ($level, $text, $file, $line) => throw new ErrorException($text, 0, $level, $file, $line));

/** Do your work here. After a crash in the middle it is called with the same event again. */
function handle(array $event): void
{
    echo implode(' ', [$event['data']['call_sid'] ?? '', $event['data']['sequence'] ?? '', $event['type']]), "\n";
}

/** Whether any of the signatures was made with any of our secrets, and lately. */
function genuine(string $id, string $sentAt, string $signatures, string $body): bool
{
    $wellFormed = preg_match('/^[A-Za-z0-9_-]{1,100}$/D', $id) && preg_match('/^[0-9]{1,12}$/D', $sentAt);
    if (!$wellFormed || abs(time() - (int) $sentAt) > TOLERANCE_SECONDS) {
        return false; // The id becomes a file's name. What is old may be a recording.
    }
    // Separated by spaces: while a secret is being rotated, the new one and the old one.
    $secrets = getenv('WEBHOOK_SECRETS') ?: throw new RuntimeException('WEBHOOK_SECRETS is missing');
    foreach (preg_split('/\s+/', trim($secrets)) as $secret) {
        $key = (string) base64_decode(preg_replace('/^whsec_/', '', $secret), true);
        if (strlen($key) < 24) { // an empty key would accept what anybody signs
            throw new RuntimeException('WEBHOOK_SECRETS must hold signing secrets: whsec_…, separated by spaces');
        }
        $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$sentAt.$body", $key, true));
        foreach (explode(' ', $signatures) as $offered) {
            // hash_equals takes equally long whatever differs, and so tells nothing of the right signature.
            if (hash_equals($expected, $offered)) {
                return true;
            }
        }
    }
    return false;
}

/** The path of a file in one of the inbox's folders, which is made where it is missing. */
function place(string $folder, string $name = ''): string
{
    is_dir(INBOX . "/$folder") || mkdir(INBOX . "/$folder", 0700, true);
    return INBOX . "/$folder/$name";
}

/** Put an event into the inbox, unless it is there. It is on the disk when this returns the answer. */
function store(string $id, string $body): int
{
    if (is_file(place('done', $id))) {
        return 204;
    }
    // It gets its name when it is complete: a crash leaves half a draft, and never half an event.
    $draft = place('drafts', bin2hex(random_bytes(16)));
    $file = fopen($draft, 'x');
    (fwrite($file, $body) === strlen($body) && fsync($file)) || throw new RuntimeException('the disk is full');
    try {
        link($draft, place('waiting', $id));
    } catch (ErrorException $error) {
        is_file(place('waiting', $id)) || throw $error; // else it is a repetition
    }
    fsync(fopen(place('waiting', $id), 'r+')); // the name too: Linux' file systems write it with the file
    unlink($draft);
    return 204;
}

/** Work on what waits, each call's events in their order. What fails holds up its own call, and false is returned. */
function work_once(): bool
{
    $waiting = $heldUp = [];
    foreach (array_diff(scandir(place('waiting')), ['.', '..']) as $id) {
        $waiting[$id] = json_decode(file_get_contents(place('waiting', $id)), true, 512, JSON_THROW_ON_ERROR);
    }
    uasort($waiting, fn ($one, $other) => ($one['data']['sequence'] ?? 0) <=> ($other['data']['sequence'] ?? 0));
    foreach ($waiting as $id => $event) {
        $call = $event['data']['call_sid'] ?? '';
        if (isset($heldUp[$call])) {
            continue;
        }
        try {
            // It may have come again just when it was done.
            is_file(place('done', $id)) || handle($event);
            rename(place('waiting', $id), place('done', $id));
        } catch (Throwable $error) {
            error_log("$id is to be worked on again: $error");
            $heldUp[$call] = true;
        }
    }
    return !$heldUp;
}

/** Work on what is stored. Of several processes the one that has the lock does it, then the next one. */
function work_for_ever(): never
{
    $lock = fopen(place('', 'lock'), 'c');
    flock($lock, LOCK_EX);
    while (true) {
        clearstatcache();
        $well = false;
        try {
            $well = work_once();
        } catch (Throwable $error) {
            error_log("the inbox cannot be worked on: $error");
        }
        usleep($well ? LOOK_AGAIN_MICROSECONDS : RETRY_MICROSECONDS);
    }
}

/** The status to answer a request with. */
function receive(): int
{
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        header('Allow: POST');
        return 405;
    }
    // The raw bytes: what a parser reads and writes again has another signature.
    $body = file_get_contents('php://input', length: MAX_BODY_BYTES + 1);
    $header = fn ($name) => $_SERVER["HTTP_WEBHOOK_$name"] ?? '';
    return match (true) {
        strlen($body) > MAX_BODY_BYTES => 413,
        !genuine($header('ID'), $header('TIMESTAMP'), $header('SIGNATURE'), $body) => 401,
        default => store($header('ID'), $body),
    };
}

PHP_SAPI === 'cli' && work_for_ever();
try {
    http_response_code(receive());
} catch (Throwable $error) {
    error_log((string) $error);
    http_response_code(503); // so that it is sent again
}
