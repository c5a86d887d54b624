// HS256 in njs, as its users write it. The secret is put in as a constant, which costs less than reading it.
import crypto from 'crypto';

const SECRET = '@SECRET@';

function judge(authorization, user) {
    if (!authorization || !authorization.startsWith('Bearer ')) {
        return 401;
    }
    const parts = authorization.slice(7).split('.');
    if (parts.length != 3) {
        return 401;
    }
    const mac = crypto.createHmac('sha256', SECRET).update(parts[0] + '.' + parts[1]).digest('base64url');
    if (mac !== parts[2]) {
        return 401;
    }
    try {
        const header = JSON.parse(Buffer.from(parts[0], 'base64url').toString());
        const claims = JSON.parse(Buffer.from(parts[1], 'base64url').toString());
        if (header.alg !== 'HS256' || !(claims.exp > Date.now() / 1000)) {
            return 401;
        }
        return claims.uid === user ? 204 : 403;
    } catch (e) {
        return 401;
    }
}

// For js_set: the status as text.
function status(r) {
    return '' + judge(r.headersIn.Authorization, r.variables.user_id);
}

// For auth_request.
function answer(r) {
    r.return(judge(r.headersIn.Authorization, r.variables.user_id));
}

export default { status, answer };
