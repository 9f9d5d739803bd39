<?php
header('Cache-Control: no-store');
// For an upload: how much of it has come.
header('X-Received: ' . strlen(file_get_contents('php://input')));
$replica = sprintf('php replica %s on %s', getenv('SLOT'), getenv('NODE'));
?>
<!doctype html>
<title>It works</title>
<h1>It works</h1>
<p>This page is from <?= htmlspecialchars($replica) ?>, container <?= htmlspecialchars(gethostname()) ?>.</p>
<p>PHP <?= PHP_VERSION ?>, <?= date(DATE_ATOM) ?>, HTTPS: <?= htmlspecialchars($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? 'no') ?>.</p>
